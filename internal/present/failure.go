package present

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"purser/internal/config"
	"purser/internal/credential"
)

// ErrorText returns what happened, why, and what to type next.
func ErrorText(err error) string { return errorText(err, 0) }

// errorText wraps to a terminal's width; 0 does not wrap.
func errorText(err error, width int) string {
	var b strings.Builder
	if _, ok := errors.AsType[*config.Error](err); ok {
		fmt.Fprintf(&b, "purser: the configuration has mistakes; purser did nothing\n%s\n", Indent(err.Error(), "  "))
		return b.String()
	}
	const label = "purser: "
	f, ok := AsFault(err)
	if !ok {
		b.WriteString(fill(label, credential.InWords(credential.Quote(err.Error())), len(label), width) + "\n")
		return b.String()
	}
	what := f.What
	if prefix, wrapped := strings.CutSuffix(err.Error(), f.Error()); wrapped && prefix != "" {
		what = prefix + what
	}
	b.WriteString(fill(label, credential.InWords(what), len(label), width) + "\n")
	writeCause(&b, f, "  ", width)
	return b.String()
}

// writeCause writes why something failed, and what to do about it.
func writeCause(b *strings.Builder, f *credential.Fault, margin string, width int) {
	say := func(label, text string) {
		first, rest, more := strings.Cut(text, "\n") // people copy the rest: do not wrap it
		b.WriteString(fill(margin+label, first, len(margin+label), width) + "\n")
		if more {
			b.WriteString(rest + "\n")
		}
	}
	if f.Why != "" {
		say("why:  ", credential.InWords(f.Why))
	}
	adv := Advise(f)
	if adv.Meaning != "" {
		say("      ", adv.Meaning)
	}
	for i, next := range adv.Next {
		label := "next: "
		if i > 0 {
			label = "      "
		}
		say(label, next)
	}
}

// AsFault finds the fault in an error's chain. It makes one of a context's end.
func AsFault(err error) (*credential.Fault, bool) {
	if f, ok := errors.AsType[*credential.Fault](err); ok {
		return f, true
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &credential.Fault{Reason: credential.TimedOut, What: "it took too long", Err: err}, true
	case errors.Is(err, context.Canceled):
		return &credential.Fault{Reason: credential.Interrupted, What: "it was interrupted", Err: err}, true
	}
	return nil, false
}
