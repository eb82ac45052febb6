package credential

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Ended is the fault of a run that a signal or --timeout has ended, with what purser
// was doing, as in "asking docker.io". The cause of ctx says who ended it. It is nil
// while the run goes on, and where ctx has ended for another reason: a limit of one
// step says for itself what it means.
func Ended(ctx context.Context, doing string) *Fault {
	cause, ok := errors.AsType[*Fault](context.Cause(ctx))
	if ctx.Err() == nil || !ok {
		return nil
	}
	f := *cause // callers fill in what they know
	f.Why, f.Err = "purser was "+doing, ctx.Err()
	return &f
}

// Stopped is the error of a wait that ctx has ended: Ended where it can be.
func Stopped(ctx context.Context, doing string) error {
	if f := Ended(ctx, doing); f != nil {
		return f
	}
	return ctx.Err()
}

// Wait pauses for d, and until ctx ends at most: then it is Stopped.
func Wait(ctx context.Context, d time.Duration, doing string) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return Stopped(ctx, doing)
	case <-timer.C:
		return nil
	}
}

// InWords is the text of an error as a person is told it: Go's words for the end of a wait
// say nothing to them.
func InWords(text string) string { return goEndings.Replace(text) }

var goEndings = strings.NewReplacer(
	context.DeadlineExceeded.Error(), "no answer in time", context.Canceled.Error(), "interrupted", "operation was canceled", "interrupted",
)

// Innermost is the text of the first cause in err's chain, such as "connection refused",
// fit to be shown.
func Innermost(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return Quote(err.Error())
}
