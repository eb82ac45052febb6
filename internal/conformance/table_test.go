package conformance

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

const (
	answersFile  = "testdata/answers.json"
	documentFile = "../../docs/conformance.md"
)

// A table is an area of the document.
type table struct {
	name, about string
	full        bool
	parts       []string
	rows        []row
}

// book is what was answered, and by which versions.
type book struct {
	mu       sync.Mutex
	Versions map[string]string                       `json:"versions"` // by part or program
	Answers  map[string]map[string]map[string]string `json:"answers"`  // by area, question and part
}

func readBook(t *testing.T) *book {
	t.Helper()
	b := &book{Versions: map[string]string{}, Answers: map[string]map[string]map[string]string{}}
	raw, err := os.ReadFile(answersFile)
	if errors.Is(err, fs.ErrNotExist) && *update {
		return b
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, b); err != nil {
		t.Fatalf("%s: %v", answersFile, err)
	}
	return b
}

func (b *book) answer(area, id, part string) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	answer, known := b.Answers[area][id][part]
	return answer, known
}

func (b *book) record(area, id, part, answer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Answers[area] == nil {
		b.Answers[area] = map[string]map[string]string{}
	}
	if b.Answers[area][id] == nil {
		b.Answers[area][id] = map[string]string{}
	}
	b.Answers[area][id][part] = answer
}

// write keeps the answers to questions that are still asked, and renders the document.
func (b *book) write(t *testing.T) {
	t.Helper()
	b.Versions = versions(t, b.Versions)
	b.forget()
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(b); err != nil {
		t.Fatal(err)
	}
	for path, content := range map[string]string{answersFile: text.String(), documentFile: b.render()} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *book) forget() {
	kept := map[string]map[string]map[string]string{}
	for _, a := range areas() {
		t := a.table()
		kept[t.name] = map[string]map[string]string{}
		for _, r := range t.rows {
			kept[t.name][r.id] = b.Answers[t.name][r.id]
		}
	}
	b.Answers = kept
}

// TestTheDocumentIsWhatWasAnswered needs no part: it renders what is recorded.
func TestTheDocumentIsWhatWasAnswered(t *testing.T) {
	got, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if want := readBook(t).render(); string(got) != want {
		t.Errorf("docs/conformance.md is not what %s renders; go test ./internal/conformance -update writes it", answersFile)
	}
}

// TestEveryQuestionIsWhole holds the form of the questions, which the compiler cannot.
func TestEveryQuestionIsWhole(t *testing.T) {
	for _, a := range areas() {
		t := &namedTable{t, a.table()}
		seen := map[string]bool{}
		for _, r := range t.rows {
			if r.id == "" || r.title == "" || r.documented == "" || r.source == "" {
				t.Errorf("%s: the question %q lacks a part: %+v", t.name, r.id, r)
			}
			if seen[r.id] {
				t.Errorf("%s: two questions are called %q", t.name, r.id)
			}
			seen[r.id] = true
		}
	}
}

type namedTable struct {
	*testing.T
	table
}

const introduction = `# Where the stand-ins differ from AWS and Docker

<!-- Written by go test ./internal/conformance -update; do not edit. -->

One test suite asks purser's sandbox, and other people's software for the same protocols, the same questions.
It compares each answer with the one that AWS and Docker document, and with the one that it recorded before.
A part that begins to answer differently fails the test. The sandbox also fails it if it differs from the
documentation and nobody wrote down a reason.

    go test ./internal/conformance            # ask again, and compare
    go test ./internal/conformance -update    # ask again, and write this page

The test skips a part that is not on the machine, names it, and keeps its column as last recorded. It contacts
nothing outside the machine: the answers of AWS and Docker are from their documents, from AWS's model of its API,
and from their answers that others recorded. UNCONFIRMED marks what none of these settles.

`

// render is the document.
func (b *book) render() string {
	var w strings.Builder
	w.WriteString(introduction)
	b.renderVersions(&w)
	for _, a := range areas() {
		b.renderArea(&w, a.table())
	}
	return w.String()
}

func (b *book) renderVersions(w *strings.Builder) {
	w.WriteString("| part | version |\n|---|---|\n")
	names := make([]string, 0, len(b.Versions))
	for name := range b.Versions {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	for _, name := range names {
		fmt.Fprintf(w, "| %s | %s |\n", name, b.Versions[name])
	}
}

func (b *book) renderArea(w *strings.Builder, t table) {
	fmt.Fprintf(w, "\n## %s\n\n%s\n\n", t.name, t.about)
	var shown []row
	for _, r := range t.rows {
		if t.full || b.differs(t, r) {
			shown = append(shown, r)
		}
	}
	fmt.Fprintf(w, "%s\n\n", b.counts(t))
	if len(shown) == 0 {
		return
	}
	if !t.full {
		w.WriteString("Where an answer differs:\n\n")
	}
	fmt.Fprintf(w, "| case | documented | %s |\n|---|---|%s\n", strings.Join(t.parts, " | "), strings.Repeat("---|", len(t.parts)))
	for _, r := range shown {
		b.renderRow(w, t, r)
	}
	renderReasons(w, shown)
}

// counts says how many of the questions each part answers as documented.
func (b *book) counts(t table) string {
	same := map[string]int{}
	asked := map[string]int{}
	all := 0
	for _, r := range t.rows {
		if !b.differs(t, r) {
			all++
		}
		for _, part := range t.parts {
			answer := b.Answers[t.name][r.id][part]
			if answer != "" {
				asked[part]++
			}
			if asDocumented(r.documented, answer) {
				same[part]++
			}
		}
	}
	each := make([]string, 0, len(t.parts))
	for _, part := range t.parts {
		each = append(each, fmt.Sprintf("%s %d of %d", part, same[part], asked[part]))
	}
	if len(each) == 1 {
		return fmt.Sprintf("It answers %[2]d of %[1]d cases as documented.", len(t.rows), all)
	}
	return fmt.Sprintf("All parts answer %[2]d of %[1]d cases as documented: %[3]s.", len(t.rows), all, strings.Join(each, ", "))
}

func (b *book) differs(t table, r row) bool {
	return slices.ContainsFunc(t.parts, func(part string) bool {
		answer := b.Answers[t.name][r.id][part]
		return answer != "" && !asDocumented(r.documented, answer)
	})
}

func (b *book) renderRow(w *strings.Builder, t table, r row) {
	fmt.Fprintf(w, "| %s | %s |", cell(r.title), documented(t, r))
	for _, part := range t.parts {
		answer := b.Answers[t.name][r.id][part]
		switch {
		case answer == "":
			w.WriteString(" cannot be asked |")
		case answer == r.documented || !t.full && asDocumented(r.documented, answer):
			w.WriteString(" as documented |")
		default:
			fmt.Fprintf(w, " %s |", code(answer))
		}
	}
	w.WriteString("\n")
}

// documented is the answer that is documented, and where, but in tables whose text says it
// for all rows.
func documented(t table, r row) string {
	if t.full {
		return code(r.documented)
	}
	return code(r.documented) + " (" + r.source + ")"
}

// renderReasons says why the sandbox differs where it does.
func renderReasons(w *strings.Builder, rows []row) {
	first := true
	for _, r := range rows {
		if r.deviation == "" {
			continue
		}
		if first {
			w.WriteString("\nWhy the sandbox differs:\n\n")
		}
		first = false
		fmt.Fprintf(w, "- %s: %s\n", r.title, r.deviation)
	}
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func code(text string) string { return "`" + cell(strings.ReplaceAll(text, "`", "'")) + "`" }
