package present

import (
	"strings"

	"github.com/mattn/go-runewidth"

	"purser/internal/credential"
)

// fill wraps text behind a prefix to a width, with an indent of hang columns; a width of 0
// does not wrap. It never breaks commands, paths and addresses, because people copy them: one
// that is wider than the terminal gets a line of its own.
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

// command matches a command in advice, up to a comma or a bracket.
var command = credential.NewPattern(`\b(?:purser (?:check|configure-docker|doctor|exec|help|init|job|login|logout|mcp|receipt|rehearse|respond|revoke|rollback|rotate|sandbox|schema|status|store|terraform|tokens)\b|` +
	`aws [a-z]|terraform [a-z]|docker log|curl -|grep |date -|timedatectl )[^,;(]*[,;]?`)

// units splits text where a line may break.
func units(text string) (all []string) {
	from := 0
	for _, at := range command().FindAllStringIndex(text, -1) {
		all = append(append(all, strings.Fields(text[from:at[0]])...), strings.TrimSpace(text[at[0]:at[1]]))
		from = at[1]
	}
	return append(all, strings.Fields(text[from:])...)
}
