package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"

	"purser/internal/credential"
	"purser/internal/redact"
	"purser/internal/scan/fingerprint"
)

const (
	// blockSize is how much is read at once: enough to be fast, and little enough for the
	// second cache.
	blockSize = 128 << 10
	// headSize is how much of a stream shows what it is: a tar's mark is at 257.
	headSize = 512
	// overlap bounds a token that a Detector recognizes.
	overlap = longestToken
	// deepest bounds archives in archives.
	deepest = 8
)

// reader is a stream of a known depth in archives.
type stream struct {
	ctx   context.Context
	s     *Scanner
	where Where
	depth int
}

func (s *Scanner) look(ctx context.Context, w Where, r io.Reader, depth int) error {
	in := bufio.NewReaderSize(r, blockSize)
	st := &stream{ctx, s, w, depth}
	head, err := in.Peek(headSize)
	if open := opener(head); open != nil && err != bufio.ErrBufferFull {
		if depth >= deepest {
			s.Miss(w, "it is in too many archives")
			return ctx.Err()
		}
		return open(st, in)
	}
	return st.text(in)
}

// member searches what is in an archive under a name.
func (st *stream) member(name string, r io.Reader) error {
	w := st.where
	w.Inside = append(slices.Clip(w.Inside), name)
	st.s.name(w, name)
	return st.s.look(st.ctx, w, r, st.depth+1)
}

// name searches the name of something.
func (s *Scanner) name(w Where, name string) { s.short(w, []byte(name)) }

// short searches a short text, which has no lines.
func (s *Scanner) short(w Where, text []byte) {
	one := s.search(w)
	one.named = true
	one.add(text, true)
	s.done(one)
}

// text searches a stream as it is.
func (st *stream) text(r io.Reader) error {
	search := st.s.search(st.where)
	defer st.s.done(search)
	for {
		if err := st.ctx.Err(); err != nil {
			return err
		}
		n, err := fill(r, search.block)
		search.add(search.block[:n], err != nil)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			st.s.Miss(st.where, why(err))
			return st.ctx.Err()
		}
	}
}

// fill reads a whole block, unless the stream ends. Unlike io.ReadFull it tells a stream's end
// from a stream that says itself that it ends too early.
func fill(r io.Reader, block []byte) (n int, err error) {
	for n < len(block) && err == nil {
		var m int
		m, err = r.Read(block[n:])
		n += m
	}
	return n, err
}

// why says for a person why something could not be read.
func why(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "you may not read it"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	case errors.As(err, new(*fs.PathError)):
		return errors.Unwrap(err).Error()
	}
	return credential.Quote(err.Error())
}

// search is one stream's state, to be used again.
type search struct {
	s      *Scanner
	where  Where
	values *redact.Search
	prints *fingerprint.Search
	block  []byte
	bytes  int64
	named  bool // the stream is a name, which has no lines
	// tail is the end of the last block, for Forms; lines is how many lines were before it.
	tail  []byte
	lines int
}

func (s *Scanner) search(w Where) *search {
	one, ok := s.searches.Get().(*search)
	if !ok {
		one = &search{s: s, block: make([]byte, blockSize)}
		if s.redactor != nil {
			one.values = s.redactor.NewSearch(one.found)
		}
		if s.Fingerprints != nil {
			one.prints = s.Fingerprints.NewSearch(one.recognized)
		}
	}
	one.where = w
	return one
}

func (s *Scanner) done(one *search) {
	if one.values != nil {
		one.values.Reset()
	}
	if one.prints != nil {
		if err := one.prints.End(); err != nil {
			s.Miss(one.where, err.Error())
		}
		one.prints.Reset()
	}
	if !one.named {
		s.mu.Lock()
		s.totals.Streams++
		s.totals.Bytes += one.bytes
		s.mu.Unlock()
	}
	one.bytes, one.named, one.tail, one.lines = 0, false, one.tail[:0], 0
	s.searches.Put(one)
}

func (one *search) add(p []byte, last bool) {
	one.bytes += int64(len(p))
	zero := isZero(p)
	if one.values != nil {
		feed(one.values, p, zero)
	}
	if one.prints != nil {
		feed(one.prints, p, zero)
	}
	one.detect(p, last)
}

// feed writes a block to a search, or says that it holds nothing.
func feed(to interface {
	io.Writer
	Skip(n int64)
}, p []byte, zero bool) {
	if zero {
		to.Skip(int64(len(p)))
		return
	}
	_, _ = to.Write(p)
}

func (one *search) found(p redact.Place) {
	w := one.where
	if !one.named {
		w.Line = p.Line
	}
	for i := range one.s.values { // equal values share a place
		if v := &one.s.values[i]; i == p.Login || sameToken(v, &one.s.values[p.Login]) {
			one.s.tell(Finding{Where: w, Value: v, As: p.As, Whole: p.Whole})
		}
	}
}

// recognized tells a token that a fingerprint is of. It was in its stage when the fingerprint
// was made.
func (one *search) recognized(p fingerprint.Place, token credential.Secret) {
	w := one.where
	if !one.named {
		w.Line = p.Line
	}
	e := one.s.Fingerprints.Entries[p.Entry]
	one.s.tell(Finding{Where: w, Value: &Value{Credential: e.Credential, Stage: e.Stage, Login: credential.Login{Token: token}}, As: p.As, Whole: true})
}

func sameToken(a, b *Value) bool { return a.Login.Token.Equal(b.Login.Token) }

// detect looks for tokens by their form. A token at the end of a block waits for the next one,
// where it is found in what joins them.
func (one *search) detect(p []byte, last bool) {
	if one.s.Forms == nil {
		return
	}
	if before := len(one.tail); before > 0 {
		seam := append(one.tail, p[:min(len(p), overlap)]...)
		one.form(seam, one.lines-bytes.Count(one.tail, newline), func(from, to int) bool {
			return from < before && to >= before && (last || to < len(seam))
		})
		one.tail = seam[:before]
	}
	one.form(p, one.lines, func(_, to int) bool { return last || to < len(p) })
	one.lines += bytes.Count(p, newline)
	one.tail = append(one.tail[:0], p[max(0, len(p)-overlap):]...)
}

var newline = []byte{'\n'}

func (one *search) form(data []byte, lines int, counts func(from, to int) bool) {
	one.s.Forms.Detect(data, func(from, to int, rule string, token credential.Secret) {
		if !counts(from, to) || slices.ContainsFunc(one.s.values, func(v Value) bool { return v.Login.Token.Equal(token) }) {
			return
		}
		if one.s.Fingerprints != nil && one.s.Fingerprints.Recognizes(token) {
			return
		}
		w := one.where
		if !one.named {
			w.Line = lines + bytes.Count(data[:from], newline) + 1
		}
		one.s.tell(Finding{Where: w, As: redact.Plain, Whole: true, Rule: rule, Token: token})
	})
}

func isZero(p []byte) bool {
	return len(p) > 0 && p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}
