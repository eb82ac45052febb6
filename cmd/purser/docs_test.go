package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

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
