package purser_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	pageInGo     = regexp.MustCompile(`\b((?:docs|skills|deploy)/[\w./-]+\.md|(?:ARCHITECTURE|CHANGELOG|CONTRIBUTING|SECURITY)\.md)(#[\w-]+)?`)
	codeFence    = regexp.MustCompile("(?s)```.*?```")
	notInAnchor  = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// TestEveryLinkLeadsToAPageAndAHeading looks at the links of all pages, and at the pages
// that Go code names, in hints as in comments.
func TestEveryLinkLeadsToAPageAndAHeading(t *testing.T) {
	found := 0
	check := func(from, target string) {
		found++
		page, anchor, _ := strings.Cut(target, "#")
		if _, err := os.Stat(page); err != nil {
			t.Errorf("%s names %s, which does not exist", from, page)
		} else if anchor != "" && !headings(t, page)[anchor] {
			t.Errorf("%s names %s, which has no such heading", from, target)
		}
	}
	eachSource(t, func(name, text string) {
		if path.Ext(name) == ".go" {
			for _, m := range pageInGo.FindAllStringSubmatch(text, -1) {
				check(name, m[1]+m[2])
			}
			return
		}
		for _, m := range markdownLink.FindAllStringSubmatch(codeFence.ReplaceAllString(text, ""), -1) {
			switch {
			case strings.Contains(m[1], "://"):
			case strings.HasPrefix(m[1], "#"):
				check(name, name+m[1])
			default:
				check(name, path.Join(path.Dir(name), m[1]))
			}
		}
	})
	if found < 100 {
		t.Errorf("only %d links were found; the patterns miss them", found)
	}
}

// TestTheIndexHasEveryPage holds docs/README.md to the folder.
func TestTheIndexHasEveryPage(t *testing.T) {
	index, err := os.ReadFile("docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("docs/*.md")
	if err != nil || len(pages) < 20 {
		t.Fatalf("%d pages (%v)", len(pages), err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(string(index), "]("+name+")") {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
}

// eachSource reads all Markdown and Go of the project, but for test data.
func eachSource(t *testing.T, look func(name, text string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || len(d.Name()) > 1 && d.Name()[0] == '.'):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(at) != ".md" && filepath.Ext(at) != ".go":
			return nil
		}
		raw, err := os.ReadFile(at)
		look(filepath.ToSlash(at), string(raw))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// headings are the anchors of a page, as GitHub makes them.
func headings(t *testing.T, page string) map[string]bool {
	t.Helper()
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for line := range strings.Lines(codeFence.ReplaceAllString(string(raw), "")) {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && line[0] == '#' {
			title = notInAnchor.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), "")
			all[strings.ReplaceAll(title, " ", "-")] = true
		}
	}
	return all
}
