package conformance

import (
	"flag"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "record the answers of the parts that are on this machine, and write docs/conformance.md")

// sandboxPart is the name of purser's own stand-ins, which may differ from what is
// documented only where the row says why.
const sandboxPart = "sandbox"

// A row is what a question says of itself.
type row struct {
	id         string
	title      string
	documented string // the answer, or the beginning of it that is on record
	source     string // where that is written
	deviation  string // why the sandbox answers otherwise; "": it does not
}

// A question is put to each part P of its area.
type question[P any] struct {
	row
	// ask returns the answer in a short form that is the same every time. "" says that
	// this part cannot be asked.
	ask func(t *testing.T, part P) string
}

// A part is one piece of software. Its start skips the test where the machine does not have
// it.
type part[P any] struct {
	name  string
	start func(t *testing.T) P
}

// An area is a table of the document: questions and the parts that are asked.
type area[P any] struct {
	name, about string
	full        bool // the document shows rows without differences, too
	parts       []part[P]
	questions   []question[P]
}

// areas are all tables, in the order of the document.
func areas() []asker {
	return []asker{secretsManagerArea(), awsClientsArea(), registryArea(), registryClientsArea(), hubArea()}
}

// An asker is an area whatever its parts are.
type asker interface {
	table() table
	ask(t *testing.T, book *book)
}

func (a area[P]) table() table {
	t := table{name: a.name, about: a.about, full: a.full}
	for _, p := range a.parts {
		t.parts = append(t.parts, p.name)
	}
	for _, q := range a.questions {
		t.rows = append(t.rows, q.row)
	}
	return t
}

// ask has the parts answer side by side, each one question after the other: moto takes
// no two requests at once without surprises.
func (a area[P]) ask(t *testing.T, book *book) {
	t.Helper()
	for _, p := range a.parts {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			sayIfSkipped(t, p.name+" is not here: its column is as last recorded")
			running := p.start(t)
			for _, q := range a.questions {
				t.Run(q.id, func(t *testing.T) {
					sayIfSkipped(t, "the answer is as last recorded")
					book.compare(t, a.name, p.name, q.row, q.ask(t, running))
				})
			}
		})
	}
}

// sayIfSkipped says what becomes of answers that nobody can be asked for here.
func sayIfSkipped(t *testing.T, text string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Skipped() {
			t.Log(text)
		}
	})
}

// TestConformance asks everything, and holds the answers against those that are recorded
// and, of the sandbox, against those that are documented.
func TestConformance(t *testing.T) {
	book := readBook(t)
	t.Run("ask", func(t *testing.T) {
		for _, a := range areas() {
			t.Run(a.table().name, func(t *testing.T) {
				t.Parallel()
				a.ask(t, book)
			})
		}
	})
	if *update && !t.Failed() {
		book.write(t)
	}
}

// asDocumented reports whether an answer is the documented one. Where only its beginning
// is on record, such as the code without the words, the rest is free.
func asDocumented(documented, answer string) bool {
	rest, begins := strings.CutPrefix(answer, documented)
	return begins && (rest == "" || strings.ContainsAny(rest[:1], ": "))
}

// compare holds an answer against the recorded one, or records it.
func (b *book) compare(t *testing.T, area, part string, r row, answer string) {
	t.Helper()
	if part == sandboxPart {
		checkDeviation(t, r, answer)
	}
	recorded, known := b.answer(area, r.id, part)
	switch {
	case *update:
		b.record(area, r.id, part, answer)
	case !known:
		t.Errorf("%s, %s: %q answers %q, and none is recorded: go test ./internal/conformance -update", area, part, r.title, answer)
	case recorded != answer:
		t.Errorf("%s, %s: %q\n answers  %s\n recorded %s", area, part, r.title, answer, recorded)
	}
}

func checkDeviation(t *testing.T, r row, answer string) {
	t.Helper()
	switch same := asDocumented(r.documented, answer); {
	case !same && r.deviation == "":
		t.Errorf("%q: the sandbox differs from what is documented, and no reason is given\n answers    %s\n documented %s (%s)",
			r.title, answer, r.documented, r.source)
	case same && r.deviation != "":
		t.Errorf("%q: the sandbox answers as documented; the reason why it does not has to go: %s", r.title, r.deviation)
	}
}
