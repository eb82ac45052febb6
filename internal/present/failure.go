package present

import (
	"errors"
	"fmt"
	"strings"

	"purser/internal/config"
	"purser/internal/credential"
)

// ErrorText says what happened, why, and what to type next.
func ErrorText(err error) string {
	var b strings.Builder
	if _, ok := errors.AsType[*config.Error](err); ok {
		fmt.Fprintf(&b, "purser: the configuration is not right; nothing was done\n%s\n", Indent(err.Error(), "  "))
		return b.String()
	}
	f, ok := AsFault(err)
	if !ok {
		fmt.Fprintf(&b, "purser: %s\n", credential.Quote(err.Error()))
		return b.String()
	}
	what := f.What
	if prefix, wrapped := strings.CutSuffix(err.Error(), f.Error()); wrapped && prefix != "" {
		what = prefix + what
	}
	fmt.Fprintf(&b, "purser: %s\n", what)
	if f.Why != "" {
		fmt.Fprintf(&b, "  why:  %s\n", f.Why)
	}
	WriteAdvice(&b, Advise(f), "  ")
	return b.String()
}

// WriteAdvice writes advice below what happened.
func WriteAdvice(b *strings.Builder, adv advice, margin string) {
	if adv.Meaning != "" {
		fmt.Fprintf(b, "%s      %s\n", margin, adv.Meaning)
	}
	for i, next := range adv.Next {
		label := "next: "
		if i > 0 {
			label = "      "
		}
		fmt.Fprintf(b, "%s%s%s\n", margin, label, next)
	}
}

// AsFault is the fault in an error's chain.
func AsFault(err error) (*credential.Fault, bool) { return errors.AsType[*credential.Fault](err) }
