// Command prose checks what people read against our rules of style. It takes files and
// folders. It reads all of Markdown, the comments of Go, and the strings of Go but for
// tests. It prints each finding as FILE:LINE, the words, and what to write instead, and
// fails if there is one.
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	found, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
	}
	if err != nil || found > 0 {
		os.Exit(1)
	}
}

// run checks all files in the places and returns how many findings it printed.
func run(places []string, out io.Writer) (found int, err error) {
	for _, place := range places {
		err := filepath.WalkDir(place, func(path string, d fs.DirEntry, err error) error { //nolint:gosec // whoever runs it names the places
			switch {
			case err != nil:
				return err
			case d.IsDir() && d.Name() == "testdata":
				return fs.SkipDir
			case d.IsDir():
				return nil
			}
			passages, err := passagesOf(path)
			for _, p := range passages {
				for _, f := range p.findings() {
					found++
					fmt.Fprintf(out, "%s:%d: %q: %s\n", path, f.line, f.words, f.advice)
				}
			}
			return err
		})
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// passagesOf reads the passages of a file, none where it is of another kind.
func passagesOf(path string) ([]passage, error) {
	var split func(string) ([]passage, error)
	switch {
	case strings.HasSuffix(path, ".md"):
		split = markdown
	case strings.HasSuffix(path, "_test.go"):
		split = comments // strings are data there
	case strings.HasSuffix(path, ".go"):
		split = commentsAndStrings
	default:
		return nil, nil
	}
	raw, err := os.ReadFile(path) //nolint:gosec // whoever runs it names the files
	if err != nil {
		return nil, err
	}
	passages, err := split(strings.ReplaceAll(string(raw), "\r\n", "\n"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return passages, nil
}
