package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"purser/internal/present"
)

// documented finds the commands in a text: lines of code blocks and spans
// between backticks that begin with purser, or with a pipe into it.
var documented = regexp.MustCompile("(?m)(?:^(?:    |\\$ |  )|`|\\| ?)((?:go run \\./cmd/)?purser(?: [^`|\\n]*)?)(?:`|$)")

// prose are spans that name a command without being one to type.
var prose = map[string]bool{"purser": true, "purser store": true, "purser store NAME": true, "purser exec": true}

// TestEveryDocumentedCommandIsRunByAScript holds the documents to the scripts:
// what is shown was run, letter for letter.
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
		command, _, _ = strings.Cut(command, "  ") // what follows in the column beside it
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
	eachCommand((&app{}).root(), func(c *cobra.Command) {
		if c.Short == "" || c.Example == "" {
			t.Errorf("%s has no help or no example", c.CommandPath())
		}
	})
}

// TestTheSampleOfTheReadme holds what the README shows of store to what a run prints, but
// for the version and the signs of a terminal.
func TestTheSampleOfTheReadme(t *testing.T) {
	code, printed := newScene(t).purser("store", "dockerhub", "--token-stdin")
	if code != present.ExitOK {
		t.Fatalf("%d\n%s", code, printed)
	}
	printed = regexp.MustCompile(`purser-[0-9a-f]+…`).ReplaceAllString(printed, "purser-01a2079d…")
	printed = "$ pass show docker/ci | purser store dockerhub --token-stdin\n" + strings.ReplaceAll(printed, "ok: ", "✓ ")
	const file, begin, end = "../../README.md", "```console\n", "```\n"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(raw), begin)
	_, after, ok := strings.Cut(rest, end)
	want := before + begin + printed + end + after
	switch {
	case !ok:
		t.Fatalf("%s has no sample", file)
	case *update:
		writeFile(t, file, want)
	case want != string(raw):
		t.Errorf("%s does not show what a run prints (go test -run Readme -update writes it):\n%s", file, printed)
	}
}
