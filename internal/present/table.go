package present

import (
	"cmp"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
)

// Table is the table that every command prints. To fit a terminal, it does these in turn:
//
//  1. It narrows columns with a Least: text wraps, a label is cut, an id is cut to a unique
//     prefix.
//  2. It drops columns with a Goes, the highest first, and names them in a line below.
//  3. It wraps the rest. It never cuts a name, and no two ids look alike.
//
// With --wide, or without a terminal, it prints everything. docs/checking.md says the same.
type Table struct {
	Columns []Column
	Rows    [][]string
}

// Column is a table's column.
type Column struct {
	Head  string
	Goes  int // the highest is dropped first; 0: never
	Least int // the smallest useful width; 0: the widest cell's
	How   narrowing
}

// narrowing says how to fit a cell that is wider than its column.
type narrowing int

const (
	continued narrowing = iota // wrap it
	// Cut shows the start of a cell.
	Cut
	// Prefix cuts all cells to one length, of Least or more, at which they differ.
	Prefix
)

const gap = 2 // between columns

// Table prints a table.
func (o Out) Table(t Table) {
	_, _ = io.WriteString(o.To, t.text(Width(o.To)))
}

// text renders the table in a width; 0 for any.
func (t Table) text(width int) string {
	shown, widths := t.fit(width)
	var b strings.Builder
	heads := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		heads[i] = c.Head
	}
	for _, row := range slices.Concat([][]string{heads}, t.Rows) {
		t.row(&b, row, shown, widths)
	}
	var gone []string
	for i, c := range t.Columns {
		if !slices.Contains(shown, i) {
			gone = append(gone, c.Head)
		}
	}
	if len(gone) > 0 {
		verb := " do not fit; --wide shows them"
		if len(gone) == 1 {
			verb = " does not fit; --wide shows it"
		}
		b.WriteString(fill("", listed(gone)+verb, 0, width) + "\n")
	}
	return b.String()
}

// fit chooses the columns and their widths.
func (t Table) fit(width int) (shown, widths []int) {
	natural, least := t.widths()
	for i := range t.Columns {
		shown = append(shown, i)
	}
	if width == 0 || total(shown, natural) <= width {
		return shown, natural
	}
	for total(shown, least) > width {
		next := slices.MaxFunc(shown, func(a, b int) int { return cmp.Compare(t.Columns[a].Goes, t.Columns[b].Goes) })
		if t.Columns[next].Goes == 0 {
			break
		}
		shown = slices.DeleteFunc(shown, func(i int) bool { return i == next })
	}
	widths = slices.Clone(least)
	for _, how := range []narrowing{continued, Cut, Prefix} { // spread the remaining space, in this order
		for _, i := range shown {
			more := min(natural[i]-widths[i], width-total(shown, widths))
			if t.Columns[i].How == how && more > 0 && (how != Prefix || widths[i]+more == natural[i]) {
				widths[i] += more
			}
		}
	}
	for total(shown, widths) > width {
		widest := slices.MaxFunc(shown, func(a, b int) int { return cmp.Compare(t.spare(a, widths), t.spare(b, widths)) })
		if t.spare(widest, widths) <= 0 {
			break
		}
		widths[widest]--
	}
	return shown, widths
}

// spare returns how much narrower a column can become.
func (t Table) spare(column int, widths []int) int {
	if t.Columns[column].How == Prefix {
		return 0
	}
	return widths[column] - widestRune
}

// widths returns each column's full and smallest widths.
func (t Table) widths() (natural, least []int) {
	for i, c := range t.Columns {
		widest := runewidth.StringWidth(c.Head)
		needed := max(widest, c.Least)
		if c.How == Prefix {
			needed = max(needed, t.distinct(i, c.Least))
		}
		for _, row := range t.Rows {
			widest = max(widest, runewidth.StringWidth(row[i]))
		}
		if c.Least == 0 {
			needed = widest
		}
		natural, least = append(natural, widest), append(least, min(needed, widest))
	}
	return natural, least
}

// distinct returns the length, of least or more, at which a column's different cells differ.
func (t Table) distinct(column, least int) int {
	for n := least; ; n++ {
		whole, seen, longer := map[string]string{}, true, false
		for _, row := range t.Rows {
			cell := row[column]
			short := cell[:min(n, len(cell))]
			if other, there := whole[short]; there && other != cell {
				seen = false
			}
			whole[short], longer = cell, longer || len(cell) > n
		}
		if seen || !longer {
			return n
		}
	}
}

// total returns the width of the columns together.
func total(shown, widths []int) int {
	sum := gap * (len(shown) - 1)
	for _, i := range shown {
		sum += widths[i]
	}
	return sum
}

// row writes a row, on several lines if cells wrap.
func (t Table) row(b *strings.Builder, cells []string, shown, widths []int) {
	lines := make([][]string, len(cells))
	height := 1
	for _, i := range shown {
		lines[i] = t.cell(i, cells[i], widths[i])
		height = max(height, len(lines[i]))
	}
	for n := range height {
		line, pending := "", 0
		for _, i := range shown {
			text := ""
			if n < len(lines[i]) {
				text = lines[i][n]
			}
			if text != "" {
				line += strings.Repeat(" ", pending) + text
				pending = 0
			}
			pending += widths[i] - runewidth.StringWidth(text) + gap
		}
		b.WriteString(line + "\n")
	}
}

// cell returns the lines of a cell.
func (t Table) cell(column int, text string, width int) []string {
	if runewidth.StringWidth(text) <= width {
		return []string{text}
	}
	head := text == t.Columns[column].Head
	switch how := t.Columns[column].How; {
	case how == Cut && !head:
		return []string{runewidth.Truncate(text, width, "…")}
	case how == Prefix && !head:
		return []string{runewidth.Truncate(text, width, "")}
	}
	return folded(text, width)
}

// folded wraps a text to a width, between words and commands. It breaks wider words.
func folded(text string, width int) (lines []string) {
	line := ""
	for _, unit := range units(text) {
		words := []string{unit}
		if runewidth.StringWidth(unit) > width {
			words = strings.Fields(unit)
		}
		for _, word := range words {
			if line != "" && runewidth.StringWidth(line+" "+word) <= width {
				line += " " + word
				continue
			}
			if line != "" {
				lines = append(lines, line)
			}
			var pieces []string
			pieces, line = broken(word, width)
			lines = append(lines, pieces...)
		}
	}
	return append(lines, line)
}

// broken breaks a word into pieces of a width and a rest.
func broken(word string, width int) (pieces []string, rest string) {
	for runewidth.StringWidth(word) > width {
		piece := runewidth.Truncate(word, max(width, widestRune), "")
		if piece == "" || len(piece) == len(word) {
			break
		}
		pieces, word = append(pieces, piece), word[len(piece):]
	}
	return pieces, word
}

// widestRune is the widest letter, in columns.
const widestRune = 2

// listed joins words as a sentence does.
func listed(words []string) string {
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return strings.Join(words, "")
}
