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
		Reason: credential.TimedOut, What: "--timeout ended the command after " + limit.String(),
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
	ctx context.Context // of the one command
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

// plain makes an error of a context one that says what the command was ended by.
func (e *ending) plain(err error) error {
	if f, ok := present.AsFault(err); ok && credential.ReasonOf(err) == "" {
		return cmp.Or(e.fault("at work"), f)
	}
	return err
}

// cut ends a command that does not end by itself, with the report that it would have
// made. What it is at goes on until the process ends, and is not heard any more.
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
	case <-time.After(lastMoment / 10): // nobody reads what it says
	}
	return present.ExitCode(f)
}

// delivered is the code of a command whose output has arrived. A script that goes on
// without it must not take that for success.
func (a *app) delivered(out, errs *present.Stream, code int) int {
	failed := out.Failed.Load()
	if failed == nil || code != present.ExitOK && errs.Used.Load() { // it has said what is wrong
		return code
	}
	f := &credential.Fault{Reason: credential.OutputLost, What: "purser could not write to standard output", Why: credential.Innermost(*failed)}
	_, _ = io.WriteString(a.err, present.ErrorText(f))
	return max(code, present.ExitCode(f))
}
