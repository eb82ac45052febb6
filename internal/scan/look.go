package scan

import (
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
	// overlap bounds a token that a Detector recognizes.
	overlap = longestToken
	// deepest bounds archives in archives.
	deepest = 8
)

// stream is one stream, and the archive that it is in.
type stream struct {
	ctx   context.Context
	s     *Scanner
	where Where
	in    *stream // nil: in none
	depth int
	root  *root
	found []Finding       // in its members, one of each value
	parts map[string]part // what members of an image are, by name
}

func (s *Scanner) look(ctx context.Context, w Where, r io.Reader, in *stream) error {
	st := &stream{ctx: ctx, s: s, where: w, in: in}
	if in == nil {
		st.root = newRoot(s, r)
		defer st.root.close()
	} else {
		st.root, st.depth = in.root, in.depth+1
	}
	one := s.search(w, in)
	n, err := fill(r, one.block)
	if open := opener(one.block[:n]); open == nil {
		st.text(one, r, n, err)
	} else {
		st.archive(one, r, n, err, open)
	}
	return ctx.Err()
}

// text searches a stream as it is. Its first n bytes, and the error after them, were read.
func (st *stream) text(one *search, r io.Reader, n int, err error) {
	defer st.s.done(one)
	for {
		one.add(one.block[:n], err != nil)
		if err == nil {
			err = st.ctx.Err()
		}
		if err != nil {
			st.miss(err)
			return
		}
		if hole := holeOf(r); hole > 0 {
			one.skip(hole)
			st.s.Skip(hole)
		}
		n, err = fill(r, one.block)
	}
}

// miss tells that a stream could not be read, unless it was read to its end, or what it
// comes out of told so.
func (st *stream) miss(err error) {
	if err != io.EOF && st.ctx.Err() == nil && !errors.Is(err, errTold) { //nolint:errorlint // an end that something wraps is none
		st.s.Miss(st.where, why(err))
	}
}

// errTold is the error of a reader that has told why it cannot go on.
var errTold = errors.New("told already")

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
	in     *stream // the archive that the stream is in
	values *redact.Search
	prints *fingerprint.Search
	block  []byte
	bytes  int64
	kind   kind
	late   []Finding // of packed bytes, one of each value
	// tail is the end of the last block, for Forms; lines is how many lines were before it.
	tail  []byte
	lines int
}

// kind is what a search reads.
type kind int

const (
	content kind = iota
	short        // it has no lines, and is no stream
	packed       // the bytes of an archive; what its members hold comes first
)

func (s *Scanner) search(w Where, in *stream) *search {
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
	one.where, one.in = w, in
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
	if one.kind != short {
		s.mu.Lock()
		s.totals.Bytes += one.bytes
		if one.kind == content {
			s.totals.Streams++
		}
		s.mu.Unlock()
	}
	one.in, one.bytes, one.kind, one.late, one.tail, one.lines = nil, 0, content, nil, one.tail[:0], 0
	s.searches.Put(one)
}

// name searches the name of something in an archive, or in none.
func (s *Scanner) name(w Where, in *stream, text string) { s.short(w, in, []byte(text)) }

// short searches a short text, which has no lines.
func (s *Scanner) short(w Where, in *stream, text []byte) {
	one := s.search(w, in)
	one.kind = short
	one.add(text, true)
	s.done(one)
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

// skip leaves out bytes of the stream.
func (one *search) skip(n int64) {
	if one.values != nil {
		one.values.Skip(n)
	}
	if one.prints != nil {
		one.prints.Skip(n)
	}
	one.detect(nil, true)
	one.tail = one.tail[:0]
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

// at is the place of a line of the stream, if that has lines.
func (one *search) at(line int) Where {
	w := one.where
	if one.kind == content {
		w.Line = line
	}
	return w
}

func (one *search) found(p redact.Place) {
	w := one.at(p.Line)
	for i := range one.s.values { // equal values share a place
		if v := &one.s.values[i]; i == p.Login || sameToken(v, &one.s.values[p.Login]) {
			one.tell(Finding{Where: w, Value: v, As: p.As, Whole: p.Whole})
		}
	}
}

// recognized tells a token that a fingerprint is of. It was in its stage when the fingerprint
// was made.
func (one *search) recognized(p fingerprint.Place, token credential.Secret) {
	e := one.s.Fingerprints.Entries[p.Entry]
	one.tell(Finding{Where: one.at(p.Line), Value: &Value{Credential: e.Credential, Stage: e.Stage, Login: credential.Login{Token: token}, Since: one.s.Fingerprints.Made}, As: p.As, Whole: true})
}

// tell tells what was found. What is in the bytes of an archive waits for what is in its
// members.
func (one *search) tell(f Finding) {
	if one.kind == packed {
		one.late = remember(one.late, f)
		return
	}
	one.pass(f)
}

func (one *search) pass(f Finding) {
	for in := one.in; in != nil; in = in.in {
		in.found = remember(in.found, f)
	}
	one.s.tell(f)
}

// mostKept bounds the findings of one archive that are kept, of patterns nearly always.
const mostKept = 100

func remember(all []Finding, f Finding) []Finding {
	if len(all) < mostKept && !slices.ContainsFunc(all, f.sameSecret) {
		all = append(all, f)
	}
	return all
}

func (f Finding) sameSecret(g Finding) bool {
	if f.Value == nil || g.Value == nil {
		return f.Value == g.Value && f.Token.Equal(g.Token)
	}
	return f.Value.Credential == g.Value.Credential && f.Value.Stage == g.Value.Stage && f.Value.Version == g.Value.Version
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
		one.tell(Finding{Where: one.at(lines + bytes.Count(data[:from], newline) + 1), As: redact.Plain, Whole: true, Rule: rule, Token: token})
	})
}

func isZero(p []byte) bool {
	return len(p) > 0 && p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1])
}
