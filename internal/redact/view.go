package redact

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
)

// view is a text assembled from parts of a stream.
type view struct {
	text  []byte
	parts []part
	sure  int // later data can change the text from here
	end   int // where the last part ends in the stream
}

// part maps the text from at on to its place in the stream.
type part struct{ at, raw int }

// stop separates unrelated parts in a view. No form contains it.
const stop = '\n'

func (v *view) reset() { v.text, v.parts, v.sure, v.end = v.text[:0], v.parts[:0], -1, 0 }

// add appends data[from:to], separated by a stop if it is far from the previous part.
func (v *view) add(data []byte, from, to int) {
	if from-v.end > longestGap {
		v.stop()
	}
	v.end = to
	v.parts = append(v.parts, part{len(v.text), from})
	v.text = append(v.text, data[from:to]...)
}

func (v *view) stop() {
	if len(v.text) > 0 {
		v.text = append(v.text, stop)
	}
}

func (v *view) finish(stream int) {
	if stream-v.end > longestGap {
		v.stop()
	}
	if v.sure < 0 {
		v.sure = len(v.text)
	}
}

func (v *view) raw(i int) int {
	p := v.parts[v.part(i)]
	return p.raw + i - p.at
}

func (v *view) part(i int) int {
	n, _ := slices.BinarySearchFunc(v.parts, i+1, func(p part, at int) int { return cmp.Compare(p.at, at) })
	return n - 1
}

const (
	// longestPrefix bounds what precedes the content of a line: an indentation, a mark, a
	// number, a time.
	longestPrefix = 40
	// longestGap bounds the gap between the contents of lines that belong together.
	longestGap = 100
)

// joiner makes the view of line ends joined to the starts of the next lines.
//
// It omits nearly everything, because no run can go over it. A run over the end of a line
// has gramLength characters at the end of one line or at the start of the next, so lines
// with neither gram are not joined. Lines shorter than a gram show nothing: two of them in
// a row are always joined.
type joiner struct {
	v     *view
	m     *matcher
	data  []byte
	last  span // the end of the previous line, if not in the view
	blink span // the tiny line after it, if not in the view
	apart bool // last does not continue the view
	after bool // a run may continue from the previous line
	tiny  int  // consecutive lines shorter than a gram

	offsets []span // lines that begin with an offset, with their ends
}

func (j *joiner) join(data []byte, m *matcher, v *view) {
	*j = joiner{v: v, m: m, data: data, offsets: j.offsets[:0]}
	v.reset()
	returns := bytes.IndexByte(data, '\r') >= 0
	for from := 0; from < len(data); {
		to, next := len(data), len(data)
		if n := bytes.IndexByte(data[from:], '\n'); n >= 0 {
			to, next = from+n, from+n+1
		}
		if returns {
			to, next = atReturn(data, from, to, next)
		}
		if to > from {
			j.next(from, to, next)
		}
		from = next
	}
	j.flush()
	v.finish(len(data))
}

func (j *joiner) next(from, to, next int) {
	if isDigit(j.data[from]) {
		if n, _ := offset(j.data[from:to]); n > 0 {
			j.offsets = append(j.offsets, span{from, next})
		}
	}
	start := from
	if from > 0 { // otherwise the line began earlier
		start += prefix(j.data, from, to)
		if j.isCold(start, to, next) {
			return
		}
		if next == to && allPrefix(j.data[from:]) {
			j.flush()
			j.v.sure = len(j.v.text)
		}
	}
	if end := trimmed(j.data, start, to); end > start {
		j.line(start, end)
	}
}

// isCold skips a line that no run enters or leaves, as most are.
func (j *joiner) isCold(from, to, next int) bool {
	data, m := j.data, j.m
	if to-from < gramLength || next == to || j.after || isTrimmed[data[to-1]] || m.least < eitherSide ||
		m.bit(short(data, from))|m.bit(short(data, to-gramLength)) != 0 {
		return false
	}
	j.skip(from, to)
	return true
}

// skip omits a line, but remembers its end in case the next line needs it.
func (j *joiner) skip(from, to int) {
	j.last, j.blink, j.apart, j.tiny = span{max(from, to-runLength), to}, span{}, true, 0
}

func (j *joiner) line(from, to int) {
	switch hot := j.isHot(from, to); {
	case hot, j.after:
		j.flush()
		j.add(from, to)
		j.after = hot || j.tiny > 0
	case j.tiny > 0:
		j.blink = span{from, to}
	default:
		j.skip(from, to)
	}
}

const (
	// eitherSide is the length of a run that has a gram on one side of any line break.
	eitherSide = 2*gramLength - 1
	// overTiny is the length of one that does so around a tiny line.
	overTiny = eitherSide + gramLength - 1
)

// isHot reports whether a run may go over an end of the line.
func (j *joiner) isHot(from, to int) bool {
	m := j.m
	if to-from >= gramLength {
		j.tiny = 0
		return m.has(m.load(j.data, from)) || m.has(m.load(j.data, to-gramLength)) || m.least < eitherSide
	}
	j.tiny++
	return j.tiny > 1 || m.least < overTiny
}

func (j *joiner) flush() {
	if j.apart {
		j.v.stop()
	}
	for _, s := range [...]span{j.last, j.blink} {
		if s.to > 0 {
			j.v.add(j.data, s.from, s.to)
		}
	}
	j.last, j.blink, j.apart = span{}, span{}, false
}

// add adds a line's ends. A run in the middle of the line is found without joining.
func (j *joiner) add(from, to int) {
	if to-from <= 2*runLength {
		j.v.add(j.data, from, to)
		return
	}
	j.v.add(j.data, from, from+runLength)
	j.v.stop()
	j.v.add(j.data, to-runLength, to)
}

// atReturn moves the end of a line to an earlier carriage return.
func atReturn(data []byte, from, to, next int) (int, int) {
	switch n := bytes.IndexByte(data[from:to], '\r'); {
	case n < 0:
		return to, next
	case from+n+1 == to && next > to:
		return to - 1, next
	default:
		return from + n, from + n + 1
	}
}

// prefix returns the length of what precedes the content of a line: digits and punctuation
// up to a blank or another separator. Tokens contain no separator, so part of one at the
// start of a line is not taken for a prefix.
func prefix(data []byte, from, to int) int {
	const letters = 0xc0 * ones // and some punctuation, and non-ASCII
	n := 0
	for ; n+dumpLook <= longestPrefix && from+n+dumpLook <= to; n += dumpLook {
		if x := binary.LittleEndian.Uint64(data[from+n:]) & letters; x != 0 {
			n += bits.TrailingZeros64(x) / 8
			break
		}
	}
	for n < longestPrefix && from+n < to && kinds[data[from+n]] != 0 {
		n++
	}
	for n > 0 && kinds[data[from+n-1]] != separates {
		n--
	}
	return n
}

// Content returns where the content of the line data[from:to] is: without what precedes it, as
// an indentation, a mark, a number or a time does, and without the marks that continue it. A
// line at the start of data began earlier.
func Content(data []byte, from, to int) (start, end int) {
	if from > 0 {
		from += prefix(data, from, to)
	}
	if to > from && data[to-1] == '\r' {
		to--
	}
	return from, trimmed(data, from, to)
}

func allPrefix(line []byte) bool {
	if len(line) > longestPrefix {
		return false
	}
	for _, b := range line {
		if kinds[b] != separates && kinds[b] != leads {
			return false
		}
	}
	return true
}

// trimmed returns the end of a line without blanks and continuation marks.
func trimmed(data []byte, from, to int) int {
	for to > from && isTrimmed[data[to-1]] {
		to--
	}
	return to
}

type kind byte

const (
	separates kind = iota + 1 // ends a line's prefix
	leads                     // is part of a line's prefix
)

// kinds classifies bytes at the start of a line; isWord marks letters and digits; isDump
// marks what dumps of numbers consist of.
var (
	kinds          [256]kind
	isWord, isDump [256]bool
	isTrimmed      = [256]bool{' ': true, '\t': true, '\\': true, '=': true}
)

func init() {
	for b := range '@' {
		if b != '\n' && b != '\r' {
			kinds[b] = leads
		}
	}
	for _, b := range []byte("[TZ") {
		kinds[b] = leads
	}
	for _, b := range []byte(" \t:|>)]") {
		kinds[b] = separates
	}
	for b := range 0x80 {
		c := byte(b)
		digit := '0' <= c && c <= '9'
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		isWord[b] = digit || letter
		isDump[b] = !letter || 'a' <= c|0x20 && c|0x20 <= 'f' || c|0x20 == 'x' || c|0x20 == 'u'
	}
}
