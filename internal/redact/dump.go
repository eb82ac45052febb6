package redact

import (
	"bytes"
	"encoding/binary"
)

const (
	// dumpLook is how many bytes are looked at to see whether they are in a dump.
	dumpLook = 8
	// leastDump is the length of the shortest dump, in bytes: runLength characters
	// with something between them.
	leastDump = 2*runLength - 1
	// dumpStride is the distance of two looks: one is all within every dump.
	dumpStride = leastDump - dumpLook + 1
	// longestSeparator bounds what separates the numbers of a dump.
	longestSeparator = leastDump
	// longestColumn bounds the characters that a dump shows beside their numbers.
	longestColumn = 80
	// shortestOffset and longestOffset are the lengths of the number before a line
	// of a dump.
	shortestOffset, longestOffset = 6, 16
)

const (
	ones = 0x0101010101010101
	bit  = 0x20 * ones // where the answer for each byte of eight is
)

// A look at eight bytes finds no dump when two letters after f are side by side, or
// when there is no digit and two characters from '0' on are. It must be fast, not
// right, and is for ASCII.

// crowded is not zero when there is no digit and two characters are side by side.
func crowded(x uint64) uint64 {
	letters, threes := x>>1, x&(x<<1)
	words := (letters | threes) & bit
	digits := threes &^ letters & bit
	return words & (words << 8) & uint64(int64(digits-1)>>63) //nolint:gosec // the sign fills it
}

// late is not zero when two letters after f are side by side.
func late(x uint64) uint64 {
	low := x & (0x1f * ones)
	late := (low + 0x19*ones) &^ (low + 5*ones) & (x >> 1) & bit
	return late & (late << 8)
}

// inDump reports whether the byte at p can be part of a dump: of numbers, or of
// single characters.
func inDump(data []byte, p int) bool {
	c := data[p]
	return isDump[c] || isWord[c] && (p == 0 || !isWord[data[p-1]]) && (p+1 == len(data) || !isWord[data[p+1]])
}

// dump is a part of the data that looks like a dump. An open one may go on in what
// comes.
type dump struct {
	span
	open bool
}

// dumpAround is the dump that the bytes of a look at p are in, to the left no farther
// than done.
func dumpAround(data []byte, p, done int) (d dump, ok bool) {
	before, after := max(0, p-dumpLook), min(p+dumpLook, len(data)-dumpLook)
	if late(binary.LittleEndian.Uint64(data[before:])) != 0 && late(binary.LittleEndian.Uint64(data[after:])) != 0 {
		return dump{}, false // it ends soon on both sides
	}
	for i := p; i < p+dumpLook; i++ {
		if !inDump(data, i) {
			return dump{}, false
		}
	}
	d.from, d.to = p, dumpEnd(data, p)
	for d.from > done && inDump(data, d.from-1) {
		d.from--
	}
	d.open = d.to == len(data)
	return d, d.to-d.from >= leastDump
}

// table is the dump that some of the lines that begin with an offset make, and the
// rest of these lines. The numbers may have a column of characters beside them.
func table(data []byte, lines []span) (d dump, rest []span) {
	d.span = lines[0]
	for rest = lines[1:]; len(rest) > 0 && rest[0].from == d.to; rest = rest[1:] {
		d.to = rest[0].to
	}
	n := d.to
	for n < len(data) && isHex(data[n]) {
		n++
	}
	d.open = n == len(data) // the next line may have an offset
	return d, rest
}

func dumpEnd(data []byte, p int) int {
	for p < len(data) && inDump(data, p) {
		p++
	}
	return p
}

// dumpBefore is where the dump begins that the data ends with, however short, and
// the end of the data where there is none.
func dumpBefore(data []byte, done int) int {
	p := len(data)
	for done = max(done, p-longestContext); p > done && inDump(data, p-1); p-- {
	}
	return p
}

// squeeze makes the view of a dump without the offsets at the beginning of lines,
// the characters at their end, and all that separates numbers.
func (v *view) squeeze(data []byte, d dump) {
	v.reset()
	from, to := d.from, d.to
	last := from // where the last number ended, or what may stand between two
	for from < to {
		end := to
		if n := bytes.IndexAny(data[from:to], "\r\n"); n >= 0 {
			end = from + n
		}
		start, colon := from, false
		if from == 0 || data[from-1] == '\n' || data[from-1] == '\r' {
			if n, c := offset(data[from:end]); n > 0 {
				start, last, colon = from+n, from+n, c
			}
		}
		if d.open && end == len(data) {
			v.sure = len(v.text)
		}
		stops := numbersEnd(data, start, end, colon)
		last = v.words(data, last, start, stops)
		if stops < end {
			last = end + 1
		}
		from = end + 1
	}
	if !d.open {
		v.stop()
	}
	v.finish(len(data))
}

// words adds letters and digits, and returns where they end.
func (v *view) words(data []byte, last, from, to int) int {
	for {
		for from < to && !isWord[data[from]] {
			from++
		}
		if from == to {
			return last
		}
		end := wordEnd(data[:to], from)
		if from-last > longestSeparator {
			v.stop()
		}
		v.add(data, from, end)
		last, from = end, end
	}
}

// offset is the length of the offset before a line of a dump, and whether it ends
// like that of xxd.
func offset(line []byte) (n int, colon bool) {
	for n < len(line) && isHex(line[n]) {
		n++
	}
	if n < shortestOffset || n > longestOffset || n == len(line) {
		return 0, false
	}
	switch line[n] {
	case ':':
		return n + 1, true
	case ' ', '\t':
		return n, false
	}
	return 0, false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// numbersEnd is where the numbers of a line end, and the characters begin.
func numbersEnd(data []byte, from, to int, column bool) int {
	for p := from; p < to; p++ {
		switch {
		case !inDump(data, p), data[p] == '|', data[p] == '>':
			return p
		case column && p > from+1 && p+1 < to && data[p] == ' ' && data[p+1] == ' ':
			return p
		}
	}
	return to
}

// columnAfter is the end of the line at p where the line goes on with a column of
// characters. It is not known while the line has no end.
func columnAfter(data []byte, p int) (end int, known bool) {
	end = min(p+longestColumn, len(data))
	n := bytes.IndexAny(data[p:end], "\r\n")
	if n >= 0 {
		end = p + n
	}
	known = n >= 0 || end < len(data)
	rest := data[p:end]
	if bytes.Contains(rest, []byte("  ")) || bytes.ContainsAny(rest, "|>") {
		return end, known
	}
	return p, known
}

func wordEnd(data []byte, p int) int {
	for p < len(data) && isWord[data[p]] {
		p++
	}
	return p
}
