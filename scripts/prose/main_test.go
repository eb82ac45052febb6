package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOddEnglishIsFound(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"across lines": {"a.md", "The same upload is tried as\nnobody.\n", `:1: "as nobody"`},
		"line":         {"a.md", "# Title\n\nGood.\nYou leave\n`store` away.\n", `:4: "leave CODE away"`},
		"heading":      {"a.md", "# From nothing to ready\n", "name the task"},
		"table":        {"a.md", "| a | `x\\|y` is told |\n", `"is told"`},
		"length":       {"a.md", strings.Repeat("word ", 41) + "\n", "a sentence of 41 words"},
		"comment":      {"a.go", "package a\n\n// It is\n// told.\nvar x int\n", `:3: "is told"`},
		"first line":   {"a.go", "// As nobody.\npackage a\n", `:1: "As nobody"`},
		"string":       {"a.go", "package a\n\nconst x = \"the key is there twice\"\n", `:3: "there twice"`},
		"after a list": {"a.go", "package a\n\nconst x = `\n  one\n\nis\ntold`\n", `:6: "is told"`},
		"raw string":   {"a.go", "package a\n\nconst x = `one\nthere twice`\n", `:4: "there twice"`},
	} {
		t.Run(name, func(t *testing.T) {
			found, printed := check(t, c.file, c.text)
			if found != 1 || !strings.Contains(printed, c.want) {
				t.Errorf("%d findings, want one with %q:\n%s", found, c.want, printed)
			}
		})
	}
}

func TestGoodEnglishAndCodePass(t *testing.T) {
	for name, c := range map[string]struct{ file, text string }{
		"two sentences": {"a.md", strings.Repeat("word ", 30) + "end. " + strings.Repeat("Word ", 30) + "end.\n"},
		"list":          {"a.md", strings.Repeat("- "+strings.Repeat("word ", 25)+"\n", 3)},
		"fence":         {"a.md", "```\nas nobody\n```\n"},
		"indented":      {"a.md", "Text:\n\n    as nobody\n    as nobody\n"},
		"inline code":   {"a.md", "It prints `as nobody`.\n"},
		"a link":        {"a.md", "See [this](docs/as nobody.md).\n"},
		"a list":        {"a.go", "package a\n\nconst x = `" + strings.Repeat("\n  "+strings.Repeat("word ", 25), 3) + "`\n"},
		"two comments":  {"a.go", "package a\n\nvar x int // as\nvar y int // nobody\n"},
		"an example":    {"a.go", "package a\n\nconst x = `  as nobody\n  as nobody`\n"},
		"directive":     {"a.go", "package a\n\nvar x int //nolint:gosec // as nobody\n"},
		"test data":     {"a_test.go", "package a\n\nconst x = \"as nobody\"\n"},
		"other file":    {"a.txt", "as nobody"},
	} {
		t.Run(name, func(t *testing.T) {
			if found, printed := check(t, c.file, c.text); found != 0 {
				t.Error(printed)
			}
		})
	}
}

func TestAFileThatIsMissingFails(t *testing.T) {
	if _, err := run([]string{filepath.Join(t.TempDir(), "none.md")}, &strings.Builder{}); err == nil {
		t.Error("nothing was checked and nothing was said")
	}
}

func check(t *testing.T, name, text string) (found int, printed string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	found, err := run([]string{dir}, &out)
	if err != nil {
		t.Fatal(err)
	}
	return found, out.String()
}
