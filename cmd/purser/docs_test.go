package main

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
	"github.com/spf13/cobra"
)

// documented finds commands in a text: lines of code blocks, and code spans, that begin
// with purser or pipe into it.
var documented = regexp.MustCompile("(?m)(?:^(?:    |\\$ |  )|`|\\| ?)((?:go run \\./cmd/)?purser(?: [^`|\\n]*)?)(?:`|$)")

// prose are spans that name a command and are not for typing.
var prose = map[string]bool{"purser": true, "purser store": true, "purser store NAME": true, "purser exec": true}

// TestEveryDocumentedCommandIsRunByAScript: the scripts run what the pages show, letter for
// letter.
func TestEveryDocumentedCommandIsRunByAScript(t *testing.T) {
	run := scriptCommands(t)
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, path := range append(docs, "../../README.md", "../../ARCHITECTURE.md") {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(raw)
	}
	eachCommand((&app{}).root(), func(c *cobra.Command) { texts["help of "+c.CommandPath()] = c.Example })
	found := 0
	for path, text := range texts {
		for _, command := range commandsIn(text) {
			found++
			if !run[command] && !prose[command] {
				t.Errorf("%s shows %q, which no script runs", path, command)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d commands were found in the documents; the pattern misses them", found)
	}
}

func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, f)
	}
}

func commandsIn(text string) []string {
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, `\|`, "|")
	var all []string
	for _, m := range documented.FindAllStringSubmatch(text, -1) {
		command := strings.TrimPrefix(strings.TrimSpace(m[1]), "go run ./cmd/")
		command, _, _ = strings.Cut(command, "  ") // the column beside it
		command, _, _ = strings.Cut(command, " > ")
		all = append(all, strings.TrimSpace(command))
	}
	return all
}

func scriptCommands(t *testing.T) map[string]bool {
	t.Helper()
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	run := map[string]bool{}
	for _, path := range scripts {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "! ")
			if background, ok := strings.CutPrefix(line, "exec watched-"); ok {
				line, _, _ = strings.Cut(background, " &")
			}
			if strings.HasPrefix(line, "purser") {
				run[line] = true
			}
		}
	}
	return run
}

func TestEveryCommandHasHelpWithExamples(t *testing.T) {
	const columns = 80
	eachCommand((&app{}).root(), func(c *cobra.Command) {
		if c.Short == "" || c.Example == "" {
			t.Errorf("%s has no help or no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Long + "\n" + c.UsageString()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > columns {
				t.Errorf("%s has a line of more than %d columns: %s", c.CommandPath(), columns, line)
			}
		}
	})
}

// TestTheSamplesAreWhatRunsPrint compares output on pages with runs, except for the
// version, the folder and a terminal's marks.
func TestTheSamplesAreWhatRunsPrint(t *testing.T) {
	for _, sample := range []struct {
		file, picture, shown string // the last is what you type
		args                 []string
		set                  func(*scene)
	}{
		{"../../README.md", "../../docs/pictures/store.svg", "pass show docker/ci | purser store dockerhub --token-stdin", []string{"store", "dockerhub", "--token-stdin"}, func(*scene) {}},
		{"../../docs/doctor.md", "", "purser doctor", []string{"doctor"}, func(s *scene) { s.remove(true) }},
	} {
		s := newScene(t)
		sample.set(s)
		_, printed := s.purser(sample.args...)
		printed = regexp.MustCompile(`purser-[0-9a-f]+…`).ReplaceAllString(printed, "purser-01a2079d…")
		printed = strings.NewReplacer(s.dir, "/home/me/project", "ok: ", "✓ ", "bad: ", "✗ ").Replace(printed)
		const begin, end = "```console\n", "```\n"
		raw, err := os.ReadFile(sample.file)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, _ := strings.Cut(string(raw), begin)
		_, after, ok := strings.Cut(rest, end)
		printed = "$ " + sample.shown + "\n" + printed
		want := before + begin + printed + end + after
		switch {
		case !ok:
			t.Errorf("%s has no sample", sample.file)
		case *update:
			writeFile(t, sample.file, want)
			if sample.picture != "" {
				writeFile(t, sample.picture, picture(printed))
			}
		case want != string(raw):
			t.Errorf("%s does not show what a run prints (go test ./cmd/purser -run Samples -update writes it):\n%s", sample.file, printed)
		}
		if drawn, err := os.ReadFile(sample.picture); sample.picture != "" && string(drawn) != picture(printed) {
			t.Errorf("%s does not show what a run prints (-update draws it), or %v", sample.picture, err)
		}
	}
}

// picture draws a terminal with a text, in the reader's light or dark colours. It needs no
// font of its own and no other host.
func picture(text string) string {
	const column, row, margin = 8.43, 20, 16
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	wide := 0
	var body strings.Builder
	for i, line := range lines {
		wide = max(wide, runewidth.StringWidth(line))
		line = strings.NewReplacer("✓", `<tspan class="good">✓</tspan>`, "✗", `<tspan class="bad">✗</tspan>`).Replace(html.EscapeString(line))
		if strings.HasPrefix(line, "$ ") {
			line = `<tspan class="typed">` + line + `</tspan>`
		}
		fmt.Fprintf(&body, "<text x=\"%d\" y=\"%d\">%s</text>\n", margin, margin+row*(i+1)-6, line)
	}
	width, height := int(float64(wide)*column)+2*margin, row*len(lines)+2*margin
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 %[1]d %[2]d" width="%[1]d" height="%[2]d">
<title>%[3]s</title>
<style>
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; white-space: pre }
rect { fill: #f6f8fa; stroke: #d1d9e0 } .typed { font-weight: bold } .good { fill: #1a7f37 } .bad { fill: #cf222e }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } rect { fill: #0d1117; stroke: #3d444d } .good { fill: #3fb950 } .bad { fill: #f85149 } }
</style>
<rect x="0.5" y="0.5" width="%[4]d" height="%[5]d" rx="8"/>
%[6]s</svg>
`, width, height, html.EscapeString(strings.TrimPrefix(lines[0], "$ ")), width-1, height-1, body.String())
}
