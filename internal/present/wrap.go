package present

import (
	"regexp"
	"strings"

	"github.com/mattn/go-runewidth"
)

// fill is text behind a prefix, in lines of a width that begin hang columns in; a width of 0
// breaks nothing. What one copies, a command, a path or an address, is never broken: one that
// is wider than the terminal has a line of its own, which the terminal continues.
func fill(prefix, text string, hang, width int) string {
	if width == 0 || runewidth.StringWidth(prefix+text) <= width {
		return prefix + text
	}
	const readable, narrow = 24, 4
	if width-hang < readable {
		hang = min(hang, narrow)
	}
	var b strings.Builder
	b.WriteString(prefix)
	at, empty := runewidth.StringWidth(prefix), true
	for _, unit := range units(text) {
		wide := runewidth.StringWidth(unit)
		switch {
		case !empty && at+1+wide > width, empty && at > hang && at+wide > width:
			b.WriteString("\n" + strings.Repeat(" ", hang))
			at = hang
		case !empty:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(unit)
		at, empty = at+wide, false
	}
	return b.String()
}

// command is one that is to be typed, as advice has it, up to a comma or a bracket.
var command = regexp.MustCompile(`\b(?:purser (?:check|configure-docker|doctor|exec|help|init|job|login|logout|mcp|receipt|rehearse|respond|revoke|rollback|rotate|sandbox|schema|status|store|terraform|tokens)\b|` +
	`aws [a-z]|terraform [a-z]|docker log|curl -|grep |date -|timedatectl )[^,;(]*[,;]?`)

// units are what a line is broken between.
func units(text string) (all []string) {
	from := 0
	for _, at := range command.FindAllStringIndex(text, -1) {
		all = append(append(all, strings.Fields(text[from:at[0]])...), strings.TrimSpace(text[at[0]:at[1]]))
		from = at[1]
	}
	return append(all, strings.Fields(text[from:])...)
}
