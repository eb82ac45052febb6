package fingerprint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
	"slices"

	"purser/internal/credential"
	"purser/internal/redact"
)

// Place is where a token is in a stream.
type Place struct {
	From  int64 // the byte where its prefix begins
	Line  int   // the first is 1
	Entry int   // index in the Set's Entries
	As    redact.Form
}

// ErrTooMany tells that a stream has text that looks like tokens, and was not compared.
var ErrTooMany = errors.New("so many texts look like tokens that purser did not compare all of them")

// reach bounds the encoded token that follows from where its prefix begins, in bytes of the
// stream.
const reach = 4 << 10

// Search finds the tokens of a Set in a stream. The result depends only on the stream, never
// on how it was split into writes. It is not safe for concurrent use.
type Search struct {
	set   *Set
	found func(Place, credential.Secret)
	data  []byte // the end of the stream, in which nothing was found yet
	at    int64  // where data begins in the stream
	line  int    // lines before data
	fresh int    // how much of data was not searched at all
	view  view
	text  []byte // what try decodes, and a spare
	spare []byte
	err   error
}

// NewSearch returns a Search that calls found for each place, with what is there.
func (s *Set) NewSearch(found func(Place, credential.Secret)) *Search {
	return &Search{set: s, found: found}
}

// Write searches the next part of the stream. It never fails.
func (s *Search) Write(p []byte) (int, error) {
	s.data = append(s.data, p...)
	if s.fresh += len(p); s.fresh >= reach {
		s.look(len(s.data) - reach)
	}
	return len(p), nil
}

// Skip ends what is before, and leaves out the next n bytes of the stream, which hold nothing.
func (s *Search) Skip(n int64) {
	s.look(len(s.data))
	s.at += n
}

// End searches what is left. Its error is ErrTooMany or nil.
func (s *Search) End() error {
	s.look(len(s.data))
	return s.err
}

// Reset makes the Search ready for another stream.
func (s *Search) Reset() { s.data, s.at, s.line, s.fresh, s.err = s.data[:0], 0, 0, 0, nil }

// look finds the tokens that begin before limit, and drops the data up to there.
func (s *Search) look(limit int) {
	if limit > 0 {
		s.view.join(s.data)
		s.set.finder.find(s.view.text, func(i int, sp *spelling) {
			if from := s.view.raw(i); from < limit {
				s.try(from, sp)
			}
		})
		s.line += bytes.Count(s.data[:limit], newline)
		s.at += int64(limit)
		s.data = s.data[:copy(s.data, s.data[limit:])]
	}
	s.fresh = 0
}

// try compares what follows a prefix. It reads no more than it needs, because a hostile stream
// has prefixes everywhere.
func (s *Search) try(from int, sp *spelling) {
	lengths := s.set.finder.lengths[sp.prefix]
	need := slices.Max(lengths)
	for _, l := range slices.Backward(sp.layers) {
		need = 2*8*need/l.bits + 2 // twice, for UTF-16
	}
	s.text = unwrap(s.text[:0], s.data[from:min(from+reach, len(s.data))], need)
	for _, l := range sp.layers {
		s.text, s.spare = l.decode(s.spare[:0], s.text), s.text
	}
	text := s.text
	if !bytes.HasPrefix(text, []byte(sp.prefix)) {
		return
	}
	for _, n := range lengths {
		if len(text) < n || slices.ContainsFunc(text[len(sp.prefix):n], func(c byte) bool { return !inToken[c] }) {
			continue
		}
		entries, ok := s.set.recognize(string(text[:n]))
		if !ok {
			s.err = ErrTooMany
		}
		for _, e := range entries {
			s.found(Place{s.at + int64(from), s.line + bytes.Count(s.data[:from], newline) + 1, e, sp.as}, credential.NewSecret(string(text[:n])))
		}
	}
}

var newline = []byte{'\n'}

// view is a text without the ends of its lines and what precedes their content, because
// encodings wrap long lines.
type view struct {
	text  []byte
	parts []part
}

// part maps the text from at on to its place in the stream.
type part struct{ at, raw int }

func (v *view) join(data []byte) {
	v.text, v.parts = v.text[:0], v.parts[:0]
	for start, end := range contents(data) {
		v.parts = append(v.parts, part{len(v.text), start})
		v.text = append(v.text, data[start:end]...)
	}
}

// contents are the places of the contents of lines.
func contents(data []byte) iter.Seq2[int, int] {
	return func(yield func(start, end int) bool) {
		for from, next := 0, 0; from < len(data); from = next {
			to := len(data)
			next = to
			if n := bytes.IndexByte(data[from:], '\n'); n >= 0 {
				to, next = from+n, from+n+1
			}
			if !yield(redact.Content(data, from, to)) {
				return
			}
		}
	}
}

func (v *view) raw(i int) int {
	n, _ := slices.BinarySearchFunc(v.parts, i+1, func(p part, at int) int { return cmp.Compare(p.at, at) })
	p := v.parts[n-1]
	return p.raw + i - p.at
}

// unwrap appends the contents of lines, without the zeros of UTF-16, to dst until it has need
// bytes.
func unwrap(dst, data []byte, need int) []byte {
	for start, end := range contents(data) {
		for _, c := range data[start:end] {
			if len(dst) == need {
				return dst
			}
			if c != 0 {
				dst = append(dst, c)
			}
		}
	}
	return dst
}

// finder finds spellings of prefixes. In every stride it looks up four bytes, a gram, in a
// Bloom filter of all spellings: each contains a whole gram at one of these places.
type finder struct {
	spellings []spelling
	lengths   map[string][]int // of whole tokens, by prefix
	stride    int
	bloom     [1 << bloomBits / 64]uint64
	grams     map[uint32][]gram
}

type gram struct{ spelling, offset int }

const (
	gramLength = 4
	bloomBits  = 16
)

func newFinder(entries []Entry) *finder {
	f := &finder{lengths: map[string][]int{}, grams: map[uint32][]gram{}}
	shortest := reach
	for _, e := range entries {
		all := f.lengths[e.Prefix]
		if all == nil {
			for _, s := range spellings(e.Prefix) {
				if len(s.text) >= gramLength {
					f.spellings = append(f.spellings, s)
					shortest = min(shortest, len(s.text))
				}
			}
		}
		if !slices.Contains(all, e.Length) {
			f.lengths[e.Prefix] = append(all, e.Length)
		}
	}
	f.stride = shortest - gramLength + 1
	for i, s := range f.spellings {
		for offset := range f.stride {
			g := load([]byte(s.text), offset)
			f.grams[g] = append(f.grams[g], gram{i, offset})
			f.bloom[slot(g)/64] |= 1 << (slot(g) % 64)
		}
	}
	return f
}

func load(text []byte, i int) uint32 { return binary.LittleEndian.Uint32(text[i:]) }

// slot spreads grams over the filter (multiplicative hashing, Knuth).
func slot(g uint32) uint32 { return g * 0x9e3779b1 >> (32 - bloomBits) }

func (f *finder) bit(text []byte, i int) uint64 {
	s := slot(load(text, i))
	return f.bloom[s/64] >> (s % 64)
}

// find calls found for every spelling in a text.
func (f *finder) find(text []byte, found func(at int, s *spelling)) {
	i, step := 0, f.stride
	for ; i+3*step+gramLength <= len(text); i += 4 * step {
		if (f.bit(text, i)|f.bit(text, i+step)|f.bit(text, i+2*step)|f.bit(text, i+3*step))&1 != 0 {
			for k := i; k < i+4*step; k += step {
				f.around(text, k, found)
			}
		}
	}
	for ; i+gramLength <= len(text); i += step {
		f.around(text, i, found)
	}
}

func (f *finder) around(text []byte, i int, found func(at int, s *spelling)) {
	if f.bit(text, i)&1 == 0 {
		return
	}
	for _, g := range f.grams[load(text, i)] {
		s, from := &f.spellings[g.spelling], i-g.offset
		if from >= 0 && bytes.HasPrefix(text[from:], []byte(s.text)) {
			found(from, s)
		}
	}
}
