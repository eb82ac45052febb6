package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"purser/internal/credential"
)

// endOnSignal is a context that the first SIGINT or SIGTERM ends; its cause names the
// signal. The second one ends the process at once, as it would without purser.
func endOnSignal(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case got := <-signals:
			signal.Stop(signals)
			cancel(interrupted(got))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

func interrupted(by os.Signal) *credential.Fault {
	name := "SIGTERM"
	if by == os.Interrupt {
		name = "SIGINT"
	}
	return &credential.Fault{Reason: credential.Interrupted, What: "interrupted by " + name}
}

// endAfter is a context that ends when --timeout has run out; its cause says so.
func endAfter(parent context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(parent, limit, &credential.Fault{
		Reason: credential.TimedOut, What: "the time of --timeout ran out, " + limit.String(),
	})
}

// ending sees to it that a command ends soon after its context, whatever it is at: a
// file on a network share that has gone, say, cannot be waited for with a context.
type ending struct {
	// program is held while signals are for a program that purser runs, which may take
	// its time to end.
	program sync.Mutex
	overdue chan struct{} // closed when the command has had its time

	mu  sync.Mutex      // guards ctx
	ctx context.Context //nolint:containedctx // of the one command
}

// lastMoment is how long a command may take to end. It is enough to take back what was
// begun, where the other side answers.
const lastMoment = 850 * time.Millisecond

// watch begins with a command, when its context is known.
func (e *ending) watch(ctx context.Context) {
	e.mu.Lock()
	e.ctx = ctx
	e.mu.Unlock()
	context.AfterFunc(ctx, func() {
		e.program.Lock()
		defer e.program.Unlock()
		time.AfterFunc(lastMoment, func() { close(e.overdue) })
	})
}

// fault says what has ended the command; nil when nothing has.
func (e *ending) fault(doing string) *credential.Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil {
		return nil
	}
	return credential.Ended(e.ctx, doing)
}

// plain makes an error of a context one that says what happened.
func (e *ending) plain(err error) error {
	_, told := asFault(err)
	if told || !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if f := e.fault("in the middle of its work"); f != nil {
		return f
	}
	return &credential.Fault{Reason: credential.TimedOut, What: "it took too long", Err: err}
}

// stream is standard output or standard error. It remembers what could not be written,
// and takes nothing more once it is closed. It has no lock: a write may take for ever.
type stream struct {
	to     io.Writer
	used   atomic.Bool
	closed atomic.Bool
	failed atomic.Pointer[error]
}

// Write writes, and remembers.
func (s *stream) Write(p []byte) (int, error) {
	if s.closed.Load() {
		return 0, os.ErrClosed
	}
	s.used.Store(true)
	n, err := s.to.Write(p)
	if err != nil {
		s.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// original is the stream itself, for a program that is to have it.
func original(w io.Writer) io.Writer {
	for {
		s, ok := w.(*stream)
		if !ok {
			return w
		}
		w = s.to
	}
}

// cut ends a command that does not end by itself, with the report that it would have
// made. What it is at goes on until the process ends, and is not heard any more.
func (a *app) cut(out, errs *stream) int {
	f := a.ending.fault("at something that does not end when it is told to")
	out.closed.Store(true)
	errs.closed.Store(true)
	last := *a
	last.out, last.err = out.to, errs.to
	told := make(chan struct{})
	go func() {
		defer close(told)
		if !a.output.json || !out.used.Load() { // one report is enough
			last.printError(f)
		}
	}()
	select {
	case <-told:
	case <-time.After(lastMoment / 10): // nobody reads what it says
	}
	return exitCode(f)
}

// delivered is the code of a command whose output has arrived. A script that goes on
// without it must not take that for success.
func (a *app) delivered(out, errs *stream, code int) int {
	failed := out.failed.Load()
	if failed == nil || code != exitOK && errs.used.Load() { // it has said what is wrong
		return code
	}
	f := &credential.Fault{Reason: credential.OutputLost, What: "standard output could not be written", Why: innermost(*failed)}
	_, _ = io.WriteString(a.err, errorText(f))
	return max(code, exitCode(f))
}

func innermost(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return credential.Quote(err.Error())
}

// stoppable is a stream whose reads end with a context. A read that is left behind ends
// with the process.
type stoppable struct {
	ctx   context.Context //nolint:containedctx // of the one command
	from  io.Reader
	doing string
}

// Read reads into memory of its own, which a read that is left behind may still fill.
func (s stoppable) Read(p []byte) (int, error) {
	raw, err := interruptible(s.ctx, s.doing, func() ([]byte, error) {
		own := make([]byte, len(p))
		n, err := s.from.Read(own)
		return own[:n], err
	})
	return copy(p, raw), err
}
