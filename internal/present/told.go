package present

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
)

const (
	green = "\x1b[32m"
	red   = "\x1b[31m"
	dim   = "\x1b[33m"
	plain = "\x1b[0m"
)

// Out prints to a stream for a person.
type Out struct {
	To      io.Writer
	NoColor bool
	Dumb    bool // the terminal cannot redraw a line

	Given credential.Given // the command line, whose flags proposed commands repeat
}

// mark returns the start of a line: a sign on a terminal, else a word, so that people can
// search a log.
func (o Out) mark(v credential.Verdict) (mark, coloured string) {
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
		return word + ":", word + ":"
	case o.NoColor:
		return sign, sign
	}
	return sign, colour + sign + plain
}

// Line prints one result.
func (o Out) Line(v credential.Verdict, label, text string) {
	mark, coloured := o.mark(v)
	prefix := fmt.Sprintf("%s %-10s ", mark, label)
	row := fill(prefix, credential.InWords(text), runewidth.StringWidth(prefix), Width(o.To))
	_, _ = io.WriteString(o.To, coloured+strings.TrimPrefix(row, mark)+"\n")
}

// Text prints paragraphs.
func (o Out) Text(text string) {
	var b strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString(fill("", line, 0, Width(o.To)) + "\n")
	}
	_, _ = io.WriteString(o.To, b.String())
}

// Error prints what happened, why, and what to type next.
func (o Out) Error(err error) { _, _ = io.WriteString(o.To, errorText(err, Width(o.To))) }

// because prints why and what to do, below a line.
func (o Out) because(f *credential.Fault) {
	const margin = "    "
	var b strings.Builder
	writeCause(&b, f, margin, Width(o.To))
	_, _ = io.WriteString(o.To, b.String())
}

// Finding prints a line, and below it what is wrong, if anything.
func (o Out) Finding(v credential.Verdict, label, text string, err error) {
	o.Line(v, label, text)
	if _, ok := errors.AsType[*config.Error](err); ok {
		_, _ = fmt.Fprintf(o.To, "%s\n", Indent(err.Error(), "    "))
	} else if f, ok := AsFault(err); ok {
		o.because(f)
	}
}

func checkedText(p lifecycle.PlaceCheck) string {
	var repos []string
	for _, r := range p.Proof.Repositories {
		repos = append(repos, string(r.Repository))
	}
	text := fmt.Sprintf("%s, %d characters, good for %s", p.Proof.Kind, p.Length, strings.Join(repos, ", "))
	if len(p.Proof.Excess) > 0 {
		text += " (more than it needs: " + strings.Join(p.Proof.Excess, "; ") + ")"
	}
	return text
}

// Status prints the table of all credentials, and their faults on errs.
func (o Out) Status(rows []lifecycle.StatusRow, errs Out, now time.Time) {
	var missed []string
	var known []lifecycle.StatusRow
	var cut error
	faults, noted := 0, 0
	for _, r := range rows {
		switch {
		case r.Fault == nil:
			noted += min(len(statusNotes(r, o.Given)), 1)
		case len(rows) > 1 && CutShort(r.Fault):
			cut, missed = r.Fault, append(missed, string(r.Name))
			continue
		default:
			faults++
		}
		known = append(known, r)
	}
	o.Table(statusTable(known, o.Given, now))
	if IsTerminal(o.To) { // programs read the table line by line
		o.Sums(len(rows), "places", Count{len(known) - faults - noted, "fine"}, Count{noted, "with a note"}, Count{faults, "failed"}, Count{len(missed), "not checked"})
	}
	for _, r := range known {
		if r.Fault != nil {
			_, _ = io.WriteString(errs.To, "\n")
			errs.Error(r.Fault)
		}
	}
	errs.Unfinished(cut, "checked", len(rows), missed)
}

func statusTable(rows []lifecycle.StatusRow, given credential.Given, now time.Time) Table {
	t := Table{Columns: []Column{
		{Head: "CREDENTIAL"}, {Head: "REGISTRY", Goes: 3}, {Head: "ACCOUNT", Goes: 2}, {Head: "STORED IN", Goes: 1}, {Head: "VERSION", Goes: 6},
		{Head: "AGE", Goes: 4}, {Head: "STAGES", Goes: 5}, {Head: "EXPIRES"}, {Head: "NOTES", Least: 24},
	}}
	for _, r := range rows {
		row := []string{string(r.Name), string(r.Registry), cmp.Or(r.Account, "-"), r.Target.String()}
		if r.Fault != nil {
			row = append(row, "-", "-", "-", "-", credential.InWords(r.Fault.What))
		} else {
			row = append(row, versionText(r), ageText(r, now), stagesText(r.Description), DateText(r.Description.Expires), cmp.Or(strings.Join(statusNotes(r, given), "; "), "-"))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// statusNotes returns a row's notes and the command that fixes it.
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

// ageText returns the age of the current version, with ≥ if only the secret's last change is
// known.
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

// span writes a duration in its largest unit.
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

// DateText writes a date, or a dash for the zero time.
func DateText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format(time.DateOnly)
}
