package conformance

import (
	"flag"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "record the answers of the installed parts, and write docs/conformance.md")

// sandboxPart is the name of purser's stand-ins. They may differ from the documentation only if the row
// says why.
const sandboxPart = "sandbox"

// A row describes a question.
type row struct {
	id         string
	title      string
	documented string // the answer, or the start of it that is on record
	source     string // where the documentation is
	deviation  string // why the sandbox differs, if it does
}

// A question goes to each part P of its area.
type question[P any] struct {
	row
	// ask returns the answer in a short, reproducible form, or "" if this part has none.
	ask func(t *testing.T, part P) string
}

// A part is one implementation. start skips the test if it is not installed.
type part[P any] struct {
	name  string
	start func(t *testing.T) P
}

// An area is a table of the document.
type area[P any] struct {
	name, about string
	full        bool // show rows without differences too
	parts       []part[P]
	questions   []question[P]
}

// areas lists the tables in the document's order.
func areas() []asker {
	return []asker{secretsManagerArea(), auditArea(), awsClientsArea(), registryArea(), registryClientsArea(), hubArea()}
}

// An asker is an area with any kind of part.
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

// ask asks the parts in parallel, but each part one question at a time: moto is unreliable with
// concurrent requests.
func (a area[P]) ask(t *testing.T, book *book) {
	t.Helper()
	for _, p := range a.parts {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			sayIfSkipped(t, p.name+" is not installed: its column keeps the recorded answers")
			running := p.start(t)
			for _, q := range a.questions {
				t.Run(q.id, func(t *testing.T) {
					sayIfSkipped(t, "the recorded answer stays")
					book.compare(t, a.name, p.name, q.row, q.ask(t, running))
				})
			}
		})
	}
}

// sayIfSkipped logs a text if the test is skipped.
func sayIfSkipped(t *testing.T, text string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Skipped() {
			t.Log(text)
		}
	})
}

// TestConformance asks everything. It compares the answers with the recorded ones and, for the sandbox,
// with the documented ones.
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

// asDocumented reports whether an answer matches the documentation, which may have only its start, such
// as the code without the message.
func asDocumented(documented, answer string) bool {
	rest, begins := strings.CutPrefix(answer, documented)
	return begins && (rest == "" || strings.ContainsAny(rest[:1], ": "))
}

// compare compares an answer with the recorded one, or records it.
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
		t.Errorf("%s, %s: %q answers %q, but no answer is recorded: go test ./internal/conformance -update", area, part, r.title, answer)
	case recorded != answer:
		t.Errorf("%s, %s: %q\n answers  %s\n recorded %s", area, part, r.title, answer, recorded)
	}
}

func checkDeviation(t *testing.T, r row, answer string) {
	t.Helper()
	switch same := asDocumented(r.documented, answer); {
	case !same && r.deviation == "":
		t.Errorf("%q: the sandbox differs from the documentation without a reason\n answers    %s\n documented %s (%s)",
			r.title, answer, r.documented, r.source)
	case same && r.deviation != "":
		t.Errorf("%q: the sandbox answers as documented; delete its reason for differing: %s", r.title, r.deviation)
	}
}
