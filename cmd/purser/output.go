package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// outputFlag is --output.
type outputFlag struct{ json bool }

// String is the flag's value.
func (o *outputFlag) String() string {
	if o.json {
		return "json"
	}
	return "text"
}

// Set takes text or json.
func (o *outputFlag) Set(text string) error {
	switch text {
	case "text", "json":
		o.json = text == "json"
		return nil
	}
	return errors.New("text or json")
}

// Type names the value in help.
func (*outputFlag) Type() string { return "FORM" }

// limitFlag is --timeout, written as durations in purser.yaml are.
type limitFlag time.Duration

// String is the flag's value.
func (l *limitFlag) String() string {
	if *l == 0 {
		return ""
	}
	return time.Duration(*l).String()
}

// Set takes a duration.
func (l *limitFlag) Set(text string) error {
	d, err := config.ParseDuration(text)
	*l = limitFlag(d)
	return err
}

// Type names the value in help.
func (*limitFlag) Type() string { return "TIME" }

const (
	green = "\x1b[32m"
	red   = "\x1b[31m"
	dim   = "\x1b[33m"
	plain = "\x1b[0m"
)

// mark is the sign in front of a line on a terminal. Elsewhere lines begin with
// a word, so that a log can be searched.
func (a *app) mark(w io.Writer, v credential.Verdict) string {
	sign, word, colour := "?", "unknown", dim
	switch v {
	case credential.Granted:
		sign, word, colour = "✓", "ok", green
	case credential.Refused:
		sign, word, colour = "✗", "bad", red
	case credential.Unknown:
	}
	switch {
	case !isTerminal(w):
		return word + ":"
	case a.env.NoColor:
		return sign
	}
	return colour + sign + plain
}

// reporter prints a flow's events as they happen, unless the output is JSON, and tells
// whoever else follows; nil when nobody does.
func (a *app) reporter(also func(lifecycle.Event)) func(lifecycle.Event) {
	return func(e lifecycle.Event) {
		if !a.output.json {
			a.line(a.out, credential.Granted, string(e.Step), e.Text)
		}
		for _, f := range []func(lifecycle.Event){also, a.follow} {
			if f != nil {
				f(e)
			}
		}
	}
}

func (a *app) line(w io.Writer, v credential.Verdict, label, text string) {
	_, _ = fmt.Fprintf(w, "%s %-10s %s\n", a.mark(w, v), label, text)
}

func (a *app) printNotes(p credential.Proof) {
	for _, n := range p.Notes {
		_, _ = fmt.Fprintf(a.out, "note: %s\n", n)
	}
}

// printError says what happened, why, and what to type next.
func (a *app) printError(err error) {
	if a.output.json {
		a.writeJSON(report{Schema: schemaVersion, Error: errorReport(err), Exit: exitCode(err)})
		return
	}
	_, _ = io.WriteString(a.err, errorText(err))
}

func errorText(err error) string {
	var b strings.Builder
	if _, ok := errors.AsType[*config.Error](err); ok {
		fmt.Fprintf(&b, "purser: the configuration is not right; nothing was done\n%s\n", indent(err.Error(), "  "))
		return b.String()
	}
	f, ok := asFault(err)
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
	writeAdvice(&b, advise(f), "  ")
	return b.String()
}

func writeAdvice(b *strings.Builder, adv advice, margin string) {
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

func asFault(err error) (*credential.Fault, bool) { return errors.AsType[*credential.Fault](err) }

func (a *app) printCheck(results []lifecycle.CheckResult) {
	for _, res := range results {
		for _, p := range res.Places {
			text := "not answered"
			switch {
			case p.Fault != nil:
				text = p.Fault.What
			case p.Verdict == credential.Granted:
				text = checkedText(p)
			}
			a.line(a.out, p.Verdict, string(res.Name), p.Target.String()+": "+text)
			if p.Fault != nil {
				var b strings.Builder
				if p.Fault.Why != "" {
					fmt.Fprintf(&b, "    why:  %s\n", p.Fault.Why)
				}
				writeAdvice(&b, advise(p.Fault), "    ")
				_, _ = io.WriteString(a.out, b.String())
			}
		}
	}
}

func checkedText(p lifecycle.PlaceCheck) string {
	var repos []string
	for _, r := range p.Proof.Repositories {
		repos = append(repos, string(r.Repository))
	}
	text := fmt.Sprintf("%s, %d characters, good for %s", p.Proof.Kind, p.Length, strings.Join(repos, ", "))
	if len(p.Proof.Excess) > 0 {
		text += " (more than needed: " + strings.Join(p.Proof.Excess, "; ") + ")"
	}
	return text
}

func (a *app) printStatus(rows []lifecycle.StatusRow) {
	t := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "CREDENTIAL\tREGISTRY\tACCOUNT\tSTORED IN\tVERSION\tAGE\tSTAGES\tEXPIRES\tNOTES")
	for _, r := range rows {
		if r.Fault != nil {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t-\t-\t-\t-\t%s\n", r.Name, r.Registry, or(r.Account, "-"), r.Target, r.Fault.What)
			continue
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Registry, or(r.Account, "-"), r.Target,
			versionText(r), ageText(r, a.now()), stagesText(r.Description), dateText(r.Description.Expires), or(strings.Join(r.Notes, "; "), "-"))
	}
	_ = t.Flush()
	for _, r := range rows {
		if r.Fault != nil {
			_, _ = io.WriteString(a.err, "\n"+errorText(r.Fault))
		}
	}
}

func versionText(r lifecycle.StatusRow) string {
	id := string(r.Description.At(credential.Current))
	const enough = 15
	if len(id) > enough {
		return id[:enough] + "…"
	}
	return or(id, "none")
}

// ageText is how long the current version has been current, with a ≤ where only
// the last change of the whole secret is known.
func ageText(r lifecycle.StatusRow, now time.Time) string {
	if r.Since.IsZero() {
		return "-"
	}
	text := span(now.Sub(r.Since))
	if !r.Exact {
		return "≥" + text
	}
	return text
}

// span is a time span in its largest unit.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return "now"
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 2*day:
		return fmt.Sprintf("%dh", d/time.Hour)
	}
	return fmt.Sprintf("%dd", d/day)
}

func stagesText(d credential.Description) string {
	var text []string
	for _, s := range []struct {
		stage credential.Stage
		word  string
	}{{credential.Current, "current"}, {credential.Pending, "pending"}, {credential.Previous, "previous"}} {
		if d.At(s.stage) != "" {
			text = append(text, s.word)
		}
	}
	return or(strings.Join(text, "+"), "-")
}

func dateText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}
