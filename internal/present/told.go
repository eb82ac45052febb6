package present

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

const (
	green = "\x1b[32m"
	red   = "\x1b[31m"
	dim   = "\x1b[33m"
	plain = "\x1b[0m"
)

// Out is a stream that a person reads.
type Out struct {
	To      io.Writer
	NoColor bool
	Given   credential.Given // the command line, which the commands that are proposed repeat
}

// mark is the sign in front of a line on a terminal. Elsewhere lines begin with
// a word, so that a log can be searched.
func (o Out) mark(v credential.Verdict) string {
	sign, word, colour := "?", "unknown", dim
	switch v {
	case credential.Granted:
		sign, word, colour = "✓", "ok", green
	case credential.Refused:
		sign, word, colour = "✗", "bad", red
	case credential.Unknown:
	}
	switch {
	case !IsTerminal(o.To):
		return word + ":"
	case o.NoColor:
		return sign
	}
	return colour + sign + plain
}

// Line says one thing that is now known.
func (o Out) Line(v credential.Verdict, label, text string) {
	_, _ = fmt.Fprintf(o.To, "%s %-10s %s\n", o.mark(v), label, text)
}

// Check tells what each check has found.
func (o Out) Check(results []lifecycle.CheckResult) {
	for _, res := range results {
		for _, p := range res.Places {
			text := "not answered"
			switch {
			case p.Fault != nil:
				text = p.Fault.What
			case p.Verdict == credential.Granted:
				text = checkedText(p)
			}
			o.Line(p.Verdict, string(res.Name), p.Target.String()+": "+text)
			if p.Fault != nil {
				var b strings.Builder
				if p.Fault.Why != "" {
					fmt.Fprintf(&b, "    why:  %s\n", p.Fault.Why)
				}
				WriteAdvice(&b, Advise(p.Fault), "    ")
				_, _ = io.WriteString(o.To, b.String())
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

// Status is the table of all credentials; what is wrong with one is said on errs.
func (o Out) Status(rows []lifecycle.StatusRow, errs io.Writer, now time.Time) {
	t := tabwriter.NewWriter(o.To, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "CREDENTIAL\tREGISTRY\tACCOUNT\tSTORED IN\tVERSION\tAGE\tSTAGES\tEXPIRES\tNOTES")
	for _, r := range rows {
		if r.Fault != nil {
			_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t-\t-\t-\t-\t%s\n", r.Name, r.Registry, cmp.Or(r.Account, "-"), r.Target, r.Fault.What)
			continue
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, r.Registry, cmp.Or(r.Account, "-"), r.Target,
			versionText(r), ageText(r, now), stagesText(r.Description), DateText(r.Description.Expires), cmp.Or(strings.Join(statusNotes(r, o.Given), "; "), "-"))
	}
	_ = t.Flush()
	for _, r := range rows {
		if r.Fault != nil {
			_, _ = io.WriteString(errs, "\n"+ErrorText(r.Fault))
		}
	}
}

// statusNotes are a row's notes, and the command that puts it right.
func statusNotes(r lifecycle.StatusRow, given credential.Given) []string {
	notes := slices.Clone(r.Notes)
	if r.Run != "" {
		notes = append(notes, "run "+Typed(given, r.Run, string(r.Name)))
	}
	return notes
}

func versionText(r lifecycle.StatusRow) string {
	id := string(r.Description.At(credential.Current))
	const enough = 15
	if len(id) > enough {
		return id[:enough] + "…"
	}
	return cmp.Or(id, "none")
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
	return cmp.Or(strings.Join(text, "+"), "-")
}

// DateText is a date, or a dash for none.
func DateText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}
