package main

import (
	"cmp"
	"context"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"purser/internal/credential"
	"purser/internal/present"
)

// endOnSignal returns a context that the first SIGINT or SIGTERM ends, with the signal as
// its cause. The second signal ends the process at once.
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

// endAfter returns a context that --timeout ends, and says so in its cause.
func endAfter(parent context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(parent, limit, &credential.Fault{
		Reason: credential.TimedOut, What: "--timeout ended the command after " + limit.String(),
	})
}

// ending ends a command soon after its context, even if the command ignores the context,
// such as while it reads a file on a dead network share.
type ending struct {
	// program is locked while a program that purser runs gets the signals; it may take its
	// time to end.
	program sync.Mutex
	overdue chan struct{} // closed when the command must end

	mu  sync.Mutex      // guards ctx
	ctx context.Context // of the one command
}

// lastMoment is the time that a command has to undo what it began.
const lastMoment = 850 * time.Millisecond

// watch starts to watch the context of the command.
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

// fault says what ended the command; nil if nothing did.
func (e *ending) fault(doing string) *credential.Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil {
		return nil
	}
	return credential.Ended(e.ctx, doing)
}

// plain turns a bare context error into one that says what ended the command.
func (e *ending) plain(err error) error {
	if f, ok := present.AsFault(err); ok && credential.ReasonOf(err) == "" {
		return cmp.Or(e.fault("at work"), f)
	}
	return err
}

// cut reports and ends a command that ignores the end of its context. Its goroutine runs on
// until the process ends, unheard.
func (a *app) cut(out, errs *present.Stream) int {
	f := a.ending.fault("waiting for something that does not end")
	out.Close()
	errs.Close()
	last := *a
	last.out, last.err = out.To, errs.To
	told := make(chan struct{})
	go func() {
		defer close(told)
		if !a.output.JSON || !out.Used.Load() { // one report is enough
			last.printError(f)
		}
	}()
	select {
	case <-told:
	case <-time.After(lastMoment / 10): // nobody reads it
	}
	return present.ExitCode(f)
}

// delivered fails a command whose output was lost, so that a script does not take it for
// success.
func (a *app) delivered(out, errs *present.Stream, code int) int {
	failed := out.Failed.Load()
	if failed == nil || code != present.ExitOK && errs.Used.Load() { // it said what is wrong
		return code
	}
	f := &credential.Fault{Reason: credential.OutputLost, What: "purser could not write to standard output", Why: credential.Innermost(*failed)}
	_, _ = io.WriteString(a.err, present.ErrorText(f))
	return max(code, present.ExitCode(f))
}
