package redact

import (
	"bytes"
	"encoding/binary"
)

const (
	// dumpLook is how many bytes a look tests for being in a dump; dumpStride is the
	// distance between looks.
	dumpLook   = 8
	dumpStride = 2 * runLength
	// leastDump is the length in bytes of the shortest dump, which always contains a whole
	// look. Ten characters in hex are longer; the time at the start of a log line is not.
	leastDump = dumpStride + dumpLook - 1
	// longestSeparator bounds what separates the numbers of a dump.
	longestSeparator = leastDump
	// longestNumber is the longest number in a dump: every look sees the end of one. Tables
	// have longer ones, up to eight bytes in octal.
	longestNumber, longestInTable = dumpLook - 1, 22
	// longestColumn bounds the column of characters that a dump shows beside its numbers.
	longestColumn = 80
	// shortestOffset and longestOffset bound the number that starts a line of a dump.
	shortestOffset, longestOffset = 6, 16
)

const (
	ones     = 0x0101010101010101
	notASCII = 0x80 * ones // in no dump
)

// noDump is nonzero when eight bytes of ASCII are not part of a dump: a letter after f is
// next to another letter or a digit, or there is no digit and two letters are adjacent, or
// nothing separates anything. It is branch-free, since text would take a branch at random.
func noDump(x uint64) uint64 {
	const bit = 0x20 * ones // the bit with the answer for each byte
	low, high, threes := x&(0x1f*ones), x>>1, x&(x<<1)
	letters := (low + 0x1f*ones) &^ (low + 5*ones) & high & bit
	digits := threes &^ high &^ ((x&(0x0f*ones) + 6*ones) << 1) & bit
	words := letters | digits
	xu := ((low ^ 0x18*ones) + 0x1f*ones) & ((low ^ 0x15*ones) + 0x1f*ones) // 0x46, \u0046
	late := letters & (low + 0x19*ones) & xu
	return late&(words<<8|words>>8) | words&(words<<8)&ifZero(digits) | ifZero(words^bit)
}

// isText reports, faster than noDump, for most text that it is not a dump: there is no
// digit, and two letters are adjacent.
func isText(x uint64) bool {
	const bit = 0x40 * ones
	letters := x & bit & ((x&(0x1f*ones) + 0x1f*ones) << 1) &^ ((x&(0x1f*ones) + 5*ones) << 1)
	return letters&(letters<<8) != 0 && x<<2&(x<<1)&^x&bit == 0
}

// ifZero is all ones for zero, and zero for a value without the highest bit.
func ifZero(x uint64) uint64 { return uint64(int64(x-1) >> 63) } //nolint:gosec // the sign fills it

// inDump reports whether the byte at p can be part of a dump: of numbers or of single
// characters.
func inDump(data []byte, p int) bool {
	c := data[p]
	return isDump[c] || isWord[c] && (p == 0 || !isWord[data[p-1]]) && (p+1 == len(data) || !isWord[data[p+1]])
}

// dump is a part of the data that looks like a dump. An open one may continue in later data.
type dump struct {
	span
	open  bool
	table bool // its lines have offsets
}

// dumpAround returns the dump around p, looking no farther left than done.
func dumpAround(data []byte, p, done int) (d dump, ok bool) {
	d.from, d.to = p, p
	for d.from > done && (isDump[data[d.from-1]] || inDump(data, d.from-1)) {
		d.from--
	}
	for d.to < len(data) && (isDump[data[d.to]] || inDump(data, d.to)) {
		d.to++
	}
	d.open = d.to == len(data)
	return d, d.to-d.from >= leastDump
}

// seemsLong reports whether the dump around p may be long enough: it has half of the
// missing length on one side.
func seemsLong(data []byte, p int) bool {
	const half = dumpLook + dumpLook/2
	if p < half || p+dumpLook+half > len(data) {
		return true
	}
	at := func(i int) uint64 { return noDump(binary.LittleEndian.Uint64(data[p+i:])) }
	return at(-half)|at(-dumpLook) == 0 || at(dumpLook)|at(half) == 0
}

// table returns the dump made by the first consecutive lines that begin with an offset, and
// the remaining lines. A column of characters may follow the numbers.
func table(data []byte, lines []span) (d dump, rest []span) {
	d.span, d.table = lines[0], true
	for rest = lines[1:]; len(rest) > 0 && rest[0].from == d.to; rest = rest[1:] {
		d.to = rest[0].to
	}
	d.open = d.to+hexLength(data[d.to:]) == len(data) // the next line may have an offset
	return d, rest
}

// dumpBefore returns where the dump at the end of the data begins, however short; without
// one, the end of the data.
func dumpBefore(data []byte, done int) int {
	p := len(data)
	for done = max(done, p-longestContext); p > done && inDump(data, p-1); p-- {
	}
	return p
}

// squeeze makes the view of a dump without the offsets that start lines, the characters
// that end them, and the separators between numbers.
func (v *view) squeeze(data []byte, d dump) {
	v.reset()
	from, to, longest := d.from, d.to, longestNumber
	if d.table {
		longest = longestInTable
	}
	last := from // where the last number ended, or the separator begins
	for from < to {
		end := from
		for end < to && data[end] != '\n' && data[end] != '\r' {
			end++
		}
		start, colon := from, false
		if from == 0 || data[from-1] == '\n' || data[from-1] == '\r' {
			switch n, c := offset(data[from:end]); {
			case n > 0:
				start, last, colon = from+n, from+n, c
				if !d.table {
					v.stop() // tables have their own view
				}
			case end == len(data) && d.open && hexLength(data[from:end]) == end-from:
				longest, last = longestInTable, from // it may become an offset
			}
		}
		stops := numbersEnd(data, start, end, colon)
		last = v.words(data, last, start, stops, longest)
		if stops < end {
			last = end + 1
		}
		from = end + 1
	}
	if !d.open {
		v.stop()
	}
	v.finish(len(data))
	if n := len(v.parts) - 1; d.open && n >= 0 && v.end == len(data) {
		v.sure = v.parts[n].at // the last number may go on
	}
}

func (v *view) words(data []byte, last, from, to, longest int) int {
	for {
		for from < to && !isWord[data[from]] {
			from++
		}
		if from == to {
			return last
		}
		end := wordEnd(data[:to], from)
		if from-last > longestSeparator || end-from > longest {
			v.stop()
		}
		if end-from <= longest {
			v.add(data, from, end)
		}
		last, from = end, end
	}
}

// offset returns the length of the offset that starts a line of a dump, and whether it ends
// in a colon, as xxd's does.
func offset(line []byte) (n int, colon bool) {
	n = hexLength(line)
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

func hexLength(line []byte) (n int) {
	for n < len(line) && isHex(line[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// numbersEnd returns where a line's numbers end and its characters begin.
func numbersEnd(data []byte, from, to int, column bool) int {
	for p := from; p < to; p++ {
		switch {
		case !isDump[data[p]] && !inDump(data, p), data[p] == '|', data[p] == '>':
			return p
		case column && p > from+1 && p+1 < to && data[p] == ' ' && data[p+1] == ' ':
			return p
		}
	}
	return to
}

// columnAfter returns the end of the line at p if the line has a column of characters.
// known is false while the line is incomplete.
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
