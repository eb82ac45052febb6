package main

import (
	"go/scanner"
	"go/token"
	"regexp"
	"strconv"
	"strings"
)

// A passage is a text that is read in one go: a paragraph, a list item, a table cell, a
// heading, a comment or a string.
type passage struct {
	heading bool
	lines   []line
}

type line struct {
	number int
	text   string
}

var (
	listItem   = regexp.MustCompile(`^ *([-*]|\d+\.) +`)
	inlineCode = regexp.MustCompile("`[^`]*`")
	linkTarget = regexp.MustCompile(`\]\([^)]*\)`)
	htmlMarkup = regexp.MustCompile(`<!--.*?-->|<br>`)
)

// markdown splits a page, leaving out code, link targets and HTML comments.
func markdown(text string) ([]passage, error) {
	var all []passage
	var open passage
	end := func() {
		if len(open.lines) > 0 {
			all = append(all, open)
		}
		open = passage{}
	}
	fenced, afterBlank, inList := false, true, false
	for i, raw := range strings.Split(text, "\n") {
		number, trimmed := i+1, strings.TrimSpace(raw)
		indented := strings.HasPrefix(raw, "    ") && afterBlank && !inList
		switch {
		case strings.HasPrefix(trimmed, "```"):
			end()
			fenced = !fenced
		case fenced, indented:
		case trimmed == "":
			end()
		case strings.HasPrefix(raw, "#"):
			end()
			inList = false
			all = append(all, passage{true, []line{{number, plain(strings.TrimLeft(raw, "# "))}}})
		case strings.HasPrefix(trimmed, "|"):
			end()
			for _, cell := range strings.Split(strings.ReplaceAll(plain(trimmed), `\|`, " "), "|") {
				all = append(all, passage{lines: []line{{number, cell}}})
			}
		default:
			if listItem.MatchString(raw) {
				end()
				inList = true
			} else if !strings.HasPrefix(raw, " ") && afterBlank {
				inList = false
			}
			open.lines = append(open.lines, line{number, plain(listItem.ReplaceAllString(raw, ""))})
		}
		afterBlank = trimmed == "" || indented || strings.HasPrefix(raw, "#")
	}
	end()
	return all, nil
}

// plain replaces code by a word, and takes markup out.
func plain(text string) string {
	text = inlineCode.ReplaceAllString(text, "CODE")
	return htmlMarkup.ReplaceAllString(linkTarget.ReplaceAllString(text, ""), " ")
}

var directive = regexp.MustCompile(`^//(go:|nolint|line |export )`)

func comments(text string) ([]passage, error)           { return goSource(text, false) }
func commentsAndStrings(text string) ([]passage, error) { return goSource(text, true) }

// goSource splits a Go file into its comments, and its strings if they are wanted.
func goSource(text string, stringsToo bool) ([]passage, error) {
	var s scanner.Scanner
	var problems scanner.ErrorList
	file := token.NewFileSet().AddFile("", -1, len(text))
	s.Init(file, []byte(text), problems.Add, scanner.ScanComments)
	var all []passage
	const none = -1
	last := none // the line of the comment that goes on
	for {
		pos, tok, lit := s.Scan()
		number := file.Line(pos)
		switch {
		case tok == token.EOF:
			return all, problems.Err()
		case tok == token.COMMENT && !directive.MatchString(lit):
			if number != last+1 {
				all = append(all, passage{})
			}
			p := &all[len(all)-1]
			for i, text := range strings.Split(strings.Trim(lit, "/* "), "\n") {
				last = number + i
				p.lines = append(p.lines, line{last, plain(strings.TrimSpace(text))})
			}
			continue
		case tok == token.STRING && stringsToo:
			p := passage{}
			value, _ := strconv.Unquote(lit) // what does not unquote does not compile
			for i, text := range strings.Split(value, "\n") {
				if lit[0] != '`' {
					i = 0
				} else if strings.HasPrefix(text, "  ") { // an example or a table
					continue
				}
				if text == "" || strings.HasPrefix(text, "  ") { // a list or commands, line by line
					all = append(all, p)
					p = passage{}
				}
				p.lines = append(p.lines, line{number + i, plain(text)})
			}
			all = append(all, p)
		}
		last = none
	}
}
