package credential

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Ended returns the fault of a run that a signal or --timeout ended; doing says what
// purser was at, as in "asking docker.io". The cause of ctx says who ended it. Ended is nil
// while the run goes on, and when ctx ended for another reason, such as one step's limit.
func Ended(ctx context.Context, doing string) *Fault {
	cause, ok := errors.AsType[*Fault](context.Cause(ctx))
	if ctx.Err() == nil || !ok {
		return nil
	}
	f := *cause // callers fill in what they know
	f.Why, f.Err = "purser was "+doing, ctx.Err()
	return &f
}

// Stopped returns the error of a wait that ctx ended: Ended if it applies, else ctx.Err().
func Stopped(ctx context.Context, doing string) error {
	if f := Ended(ctx, doing); f != nil {
		return f
	}
	return ctx.Err()
}

// Wait pauses for d. If ctx ends first, it returns Stopped.
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

// InWords replaces Go's words for the end of a wait, which say nothing to a person.
func InWords(text string) string { return goEndings.Replace(text) }

var goEndings = strings.NewReplacer(
	context.DeadlineExceeded.Error(), "no answer in time", context.Canceled.Error(), "interrupted", "operation was canceled", "interrupted",
)

// Innermost returns the text of the first cause in err's chain, such as "connection
// refused", quoted for display.
func Innermost(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return Quote(err.Error())
}
