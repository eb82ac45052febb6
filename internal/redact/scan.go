package redact

import (
	"cmp"
	"encoding/binary"
	"slices"
)

type span struct{ from, to int }

// cut is a part of a stream that holds a piece of a secret.
type cut struct {
	span
	form       *form
	start, end int  // of the piece, in the form
	open       bool // it may continue in later data
}

// scan decides what to redact at the end of a stream, and how much of it can be passed on.
type scan struct {
	r          *Redactor
	seam, dump view
	lines      joiner
	data       []byte
	all        bool  // no more data will come
	floor      int   // no run begins before
	cuts       []cut // what to redact; after merge ordered and disjoint
	hold       int   // everything before is decided
	firm       int   // everything before may be shown in a moment of silence
	keep       int   // undecided runs need nothing before
}

// over scans data, in which no run begins before floor: the data before floor is context.
func (s *scan) over(data []byte, floor int, all bool) {
	s.look(data, floor, all)
	s.merge()
}

// look is over without the merge.
func (s *scan) look(data []byte, floor int, all bool) {
	s.data, s.floor, s.all, s.cuts = data, floor, all, s.cuts[:0]
	s.hold, s.firm, s.keep = len(data), len(data), len(data)
	s.asItIs()
	s.lines.join(data, s.r.text, &s.seam)
	s.r.text.find(s.seam.text, 1, func(r run) { s.takeText(&s.seam, r) })
	s.undecided(s.r.text, &s.seam)
	s.dumps()
	s.needed()
}

// glance is look for data that has nothing, as nearly all has: it skips the joined lines. A
// token that a vendor marks is so long that of lines of a dozen characters, at least one shows
// a piece of it. It returns false if there is something to look at.
func (s *scan) glance(data []byte, floor int, all bool) bool {
	s.data, s.floor, s.all, s.cuts = data, floor, all, s.cuts[:0]
	s.hold, s.firm, s.keep = len(data), len(data), len(data)
	s.lines.offsets = s.lines.offsets[:0]
	s.asItIs()
	if len(s.cuts) == 0 {
		s.dumps()
	}
	s.needed()
	return len(s.cuts) == 0
}

func (s *scan) asItIs() {
	v, m := view{text: s.data, parts: []part{{}}, sure: len(s.data)}, s.r.text
	m.find(v.text, m.stride, func(r run) { s.takeText(&v, r) })
	s.undecided(m, &v)
}

func (s *scan) dumps() {
	data, done := s.data, 0
	for lines := s.lines.offsets; len(lines) > 0; {
		var d dump
		d, lines = table(data, lines)
		s.inDump(d)
	}
	for i := dumpStride - 1; i+dumpLook <= len(data); i += dumpStride {
		if x := binary.LittleEndian.Uint64(data[i:]); x&notASCII != 0 || isText(x) || noDump(x) != 0 || i < done || !seemsLong(data, i) {
			continue // not a dump
		}
		if d, ok := dumpAround(data, i, done); ok {
			s.inDump(d)
			done = d.to
		}
	}
	if from := dumpBefore(data, done); from < len(data) && !s.all {
		s.inDump(dump{span: span{from, len(data)}, open: true})
	}
}

func (s *scan) inDump(d dump) {
	v, m := &s.dump, s.r.dump
	v.squeeze(s.data, d)
	if s.all {
		v.sure = len(v.text)
	}
	m.find(v.text[:v.sure], m.stride, func(r run) { s.takeDump(v, r, d.table) })
	if d.open {
		s.undecided(m, v)
	}
}

// undecided holds back what later data may complete to a run: at the present end of the
// text, and where text that may still change begins.
func (s *scan) undecided(m *matcher, v *view) {
	if s.all {
		return
	}
	dump := v == &s.dump
	raw := v.raw
	if dump { // the previous word may contain bytes of the secret too
		raw = func(i int) int { return v.parts[max(0, v.part(i)-1)].raw }
	}
	for _, end := range [...]int{v.sure, len(v.text)} {
		from, firm := m.tail(v.text[:end], dump)
		if from < end {
			s.hold = min(s.hold, raw(from))
		}
		if firm < end {
			s.firm = min(s.firm, raw(firm))
		}
	}
}

// clip removes the part of a run before floor: earlier text has decided that it does not
// belong to the run.
func (s *scan) clip(v *view, r *run) {
	for r.to-r.from > 1 && v.raw(r.from) < s.floor {
		r.behead()
	}
}

// takeText redacts a run in the view of the bytes or of joined lines. A run over the end of
// a line may continue in the prefix of the next.
func (s *scan) takeText(v *view, r run) {
	s.clip(v, &r)
	if end, n, more := s.overPrefix(v, r); r.length()+n >= r.form.piece {
		s.cut(r, v.raw(r.from), end, more || r.to >= v.sure && !r.complete(v.text))
	}
	for n := v.part(r.to - 1); v.parts[n].at > r.from; n-- {
		r.cutAt(v.parts[n].at)
		if end, n, more := s.overPrefix(v, r); n > 0 && r.length()+n >= r.form.piece {
			s.cut(r, v.raw(r.from), end, more)
		}
	}
}

// overPrefix handles a run whose last characters look like the prefix of the next line, as
// "23 " does. It returns where the run ends, how many characters these are, and whether
// more may come.
func (s *scan) overPrefix(v *view, r run) (end, n int, more bool) {
	to, rest := v.raw(r.to-1)+1, r.form.text[r.end:]
	end = to
	line := s.nextLine(to)
	for p := line; p < len(s.data) && p-line < longestPrefix && kinds[s.data[p]] != 0; p++ {
		if p > line && kinds[s.data[p-1]] != separates {
			continue
		}
		k := 0
		for k < len(rest) && p+k < len(s.data) && s.data[p+k] == rest[k] {
			k++
		}
		if k > n {
			end, n = p+k, k
		}
		more = more || k < len(rest) && p+k == len(s.data)
	}
	return end, n, more
}

// nextLine returns where the next non-empty line begins; in the middle of a line, the end
// of the data.
func (s *scan) nextLine(p int) int {
	line := len(s.data)
	for from := p; p < len(s.data) && p-from < longestGap; p++ {
		switch c := s.data[p]; {
		case c == '\r' || c == '\n':
			line = p + 1
		case !isTrimmed[c]:
			return line
		}
	}
	return len(s.data)
}

// takeDump redacts a run in a dump, and the column of characters beside it.
func (s *scan) takeDump(v *view, r run, table bool) {
	s.clip(v, &r)
	if r.length() < r.form.piece {
		return
	}
	from, to := v.raw(r.from), v.raw(r.to-1)+1
	open := r.to >= v.sure && (r.form.words || !r.complete(v.text))
	if !table && to-from < leastDump {
		return
	}
	if r.form.words {
		from, to = s.withWords(v, r)
		open = open || to == len(s.data)
	}
	to, known := columnAfter(s.data, to)
	s.cut(r, from, to, open || !known)
}

// withWords extends a run to the words that it covers in part, else to the adjacent words:
// these contain other bytes of the secret.
func (s *scan) withWords(v *view, r run) (from, to int) {
	first, last := v.part(r.from), v.part(r.to-1)
	if v.parts[first].at == r.from {
		first = max(0, first-1)
	}
	if next := last + 1; next < len(v.parts) && v.parts[next].at == r.to {
		last = next
	}
	return v.parts[first].raw, wordEnd(s.data, v.parts[last].raw)
}

// cut redacts a part of the stream. If it may continue, what follows waits.
func (s *scan) cut(r run, from, to int, open bool) {
	open = open && !s.all
	s.cuts = append(s.cuts, cut{span{from, to}, r.form, r.start, r.end, open})
	if open {
		s.hold, s.keep = min(s.hold, to), min(s.keep, from)
	}
}

// needed finds what is still needed of the data.
func (s *scan) needed() {
	s.keep = min(s.keep, s.hold)
	for _, c := range s.cuts {
		if c.to > s.hold {
			s.keep = min(s.keep, c.from)
		}
	}
}

// merge orders the cuts and joins those that overlap or touch.
func (s *scan) merge() {
	slices.SortFunc(s.cuts, func(a, b cut) int { return cmp.Compare(a.from, b.from) })
	n := 0
	for _, c := range s.cuts {
		if n > 0 && c.from <= s.cuts[n-1].to {
			s.cuts[n-1].to = max(s.cuts[n-1].to, c.to)
			continue
		}
		s.cuts[n] = c
		n++
	}
	s.cuts = s.cuts[:n]
}

// longestContext bounds the context before what is still needed.
const longestContext = 512

// start returns where the context of later data begins: at the line of what is needed, and
// as many lines before it as show whether it is in a dump.
func (s *scan) start() int {
	least := max(0, s.keep-longestContext)
	line := s.lineStart(s.keep, least)
	p := line
	for p > least && line-p < leastDump {
		p = s.lineStart(p-1, least)
	}
	return p
}

func (s *scan) lineStart(p, least int) int {
	for p > least && s.data[p-1] != '\n' && s.data[p-1] != '\r' {
		p--
	}
	return p
}
