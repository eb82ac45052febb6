package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"purser/internal/credential"
)

// reportLimit limits the reported mistakes: a file of another kind has one on every line.
const reportLimit = 50

// Error is a mistake in a configuration file. It unwraps to a credential.Fault with the reason
// Usage. Neither repeats text from the file except known or harmless names.
type Error struct {
	File   string // as people name it
	Line   int    // from 1; 0 if the mistake has no single place
	Column int    // from 1, in characters
	Key    string // a path such as credentials.dockerhub.registry; may be empty
	Text   string // what is wrong
	Err    error  // the fault
}

// Error returns FILE:LINE:COLUMN: KEY: TEXT.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	for _, part := range []string{e.Key, e.Text} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	return b.String()
}

// Unwrap returns the fault.
func (e *Error) Unwrap() error { return e.Err }

// position is a place in the file; zero if there is none.
type position struct{ line, column int }

// problem is an Error before the file's name is known.
type problem struct {
	at   position
	key  string
	text string
}

// report joins all problems into one error, in the order of the file.
func report(file string, problems []problem) error {
	slices.SortStableFunc(problems, func(a, b problem) int {
		return cmp.Or(cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.column, b.at.column))
	})
	if rest := len(problems) - reportLimit; rest > 0 {
		problems = append(problems[:reportLimit:reportLimit], problem{text: fmt.Sprintf("and %d more mistakes", rest)})
	}
	all := make([]error, len(problems))
	for i, p := range problems {
		e := &Error{File: file, Line: p.at.line, Column: p.at.column, Key: p.key, Text: p.text}
		// Some callers print only the fault, so it repeats the whole line.
		e.Err = &credential.Fault{Reason: credential.Usage, What: e.Error()}
		all[i] = e
	}
	return errors.Join(all...)
}
