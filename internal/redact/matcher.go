package redact

import "encoding/binary"

// matcher finds pieces of forms in a text. In every stride it looks up a few bytes, a gram,
// in a Bloom filter of all forms: every piece contains a whole gram at one of these places.
type matcher struct {
	forms  forms
	gram   int // length of a gram, gramLength or wideGram
	least  int // length of the shortest piece
	stride int
	bloom  []uint64
	shift  uint // 64 less the bits of a place in the filter
	grams  map[uint64][]at
	known  [256]bool // the bytes of forms
}

type at struct{ form, offset int }

const (
	gramLength = 4
	wideGram   = 8
	// leastBloom and mostBloom bound the filter, in bits of a place: 8 KB fit in the first
	// cache, and half a megabyte in the second. bitsPerGram keeps wrong answers rare.
	leastBloom, mostBloom, bitsPerGram = 16, 22, 16
)

// slot returns the word of the filter that a gram is in, and its two bits there, which makes
// wrong answers rarer than one would (multiplicative hashing, Knuth).
func (m *matcher) slot(g uint64) (word, bits uint64) {
	h := g * 0x9e3779b97f4a7c15
	return h >> (m.shift & 63), 1<<(h>>40&63) | 1<<(h>>34&63)
}

// newMatcher returns a matcher of forms whose pieces are at least a gram long.
func newMatcher(all forms, gram int) *matcher {
	m := &matcher{forms: all, gram: gram, least: runLength, grams: map[uint64][]at{}}
	for i, f := range all {
		m.least = min(m.least, f.piece)
		for _, b := range []byte(f.text) {
			m.known[b] = true
		}
		for offset := 0; offset+gram <= len(f.text); offset++ {
			g := m.load([]byte(f.text), offset)
			m.grams[g] = append(m.grams[g], at{i, offset})
		}
	}
	places := leastBloom
	for places < mostBloom && len(m.grams)*bitsPerGram > 1<<places {
		places++
	}
	m.bloom, m.shift = make([]uint64, 1<<places/64), uint(64+6-places)
	for g := range m.grams {
		word, bits := m.slot(g)
		m.bloom[word] |= bits
	}
	m.stride = m.least - gram + 1
	return m
}

func (m *matcher) load(text []byte, i int) uint64 {
	if m.gram == wideGram {
		return binary.LittleEndian.Uint64(text[i:])
	}
	return short(text, i)
}

func short(text []byte, i int) uint64 { return uint64(binary.LittleEndian.Uint32(text[i:])) }

func (m *matcher) has(g uint64) bool { return m.bit(g) != 0 }

// bit is 1 for a gram that some form may have. It lets callers test several grams with one
// branch, which is faster because nearly no text has any.
func (m *matcher) bit(g uint64) uint64 {
	h := g * 0x9e3779b97f4a7c15
	w := m.bloom[h>>(m.shift&63)]
	return w >> (h >> 40 & 63) & (w >> (h >> 34 & 63)) & 1
}

type run struct {
	form     *form
	from, to int // in the text, with the wild ends
	start    int // in the form
	end      int
	wild     int // length of the wild start in the run
	wildEnd  int // length of the wild end in the run
}

func (r run) length() int { return r.end - r.start }

// complete reports whether no later text can belong to the run.
func (r run) complete(text []byte) bool {
	return r.end == len(r.form.text) && (r.form.wildAfter == 0 || r.to < len(text))
}

func (r *run) behead() {
	r.from++
	if r.wild > 0 {
		r.wild--
		return
	}
	r.start++
}

func (r *run) cutAt(to int) {
	over := r.to - to
	wild := min(over, r.wildEnd)
	r.to, r.wildEnd, r.end = to, r.wildEnd-wild, r.end-(over-wild)
}

// around finds the runs with the gram at text[i:], except those that also have the gram at
// text[i-step:].
func (m *matcher) around(text []byte, i, step int, found func(run)) {
	for _, place := range m.grams[m.load(text, i)] {
		f := &m.forms[place.form]
		r := run{form: f, from: i, to: i + m.gram, start: place.offset, end: place.offset + m.gram}
		r.growLeft(text)
		if i-step >= r.from+r.wild {
			continue
		}
		r.growRight(text)
		found(r)
	}
}

func (r *run) growLeft(text []byte) {
	for r.start > 0 && r.from > 0 && text[r.from-1] == r.form.text[r.start-1] {
		r.from, r.start = r.from-1, r.start-1
	}
	if r.start == 0 {
		from := wildSide(text, r.from, r.form.wildBefore)
		r.from, r.wild = from, r.from-from
	}
}

func (r *run) growRight(text []byte) {
	for r.end < len(r.form.text) && r.to < len(text) && text[r.to] == r.form.text[r.end] {
		r.to, r.end = r.to+1, r.end+1
	}
	if r.end == len(r.form.text) {
		for n := r.form.wildAfter; n > 0 && r.to < len(text) && isBase64(text[r.to]); n-- {
			r.to, r.wildEnd = r.to+1, r.wildEnd+1
		}
	}
}

// find searches a text. With a step below the matcher's stride, it also finds runs shorter
// than pieces.
func (m *matcher) find(text []byte, step int, found func(run)) {
	i := step - 1
	if m.gram == gramLength {
		for ; i+3*step+gramLength <= len(text); i += 4 * step {
			if m.bit(short(text, i))|m.bit(short(text, i+step))|m.bit(short(text, i+2*step))|m.bit(short(text, i+3*step)) != 0 {
				for k := i; k < i+4*step; k += step {
					m.look(text, k, step, found)
				}
			}
		}
	}
	for ; i+m.gram <= len(text); i += step {
		m.look(text, i, step, found)
	}
}

func (m *matcher) look(text []byte, i, step int, found func(run)) {
	if m.has(m.load(text, i)) {
		m.around(text, i, step, found)
	}
}

// tail returns where the end of a text may be the start of a run, and from where so much of
// one that it must not be shown. It counts complete pieces only if pieces is set; otherwise
// the caller has found them already.
func (m *matcher) tail(text []byte, pieces bool) (from, firm int) {
	from, firm = len(text), len(text)
	for from > 0 && len(text)-from < m.gram && m.known[text[from-1]] {
		from--
	}
	from = wildSide(text, from, mostWild)
	if len(text) < m.gram {
		return from, firm
	}
	m.around(text, len(text)-m.gram, len(text), func(r run) {
		if r.length() >= r.form.piece && !pieces {
			return
		}
		from = min(from, r.from)
		if r.length() >= r.form.firm {
			firm = min(firm, r.from)
		}
	})
	return from, firm
}

// mostWild bounds the characters of a wild end.
const mostWild = 2

func wildSide(text []byte, from, n int) int {
	for ; n > 0 && from > 0 && isBase64(text[from-1]); n-- {
		from--
	}
	return from
}

func isBase64(b byte) bool { return isWord[b] || b == '+' || b == '/' || b == '-' || b == '_' }
