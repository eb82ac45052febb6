package redact

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// Place is where a secret is in a stream.
type Place struct {
	From, To int64 // bytes of the stream; lines of other text may be in between
	Line     int   // the first is 1
	Login    int   // index of the login that New got
	As       Form
	Whole    bool // otherwise a part: at least a dozen characters of a token, or most of a password
}

// Search finds in a stream what a Writer redacts. It is not safe for concurrent use.
type Search struct {
	scan  scan
	found func(Place)
	data  []byte // the end of the stream, as far as later data may need it
	floor int    // no run begins before this place in it
	fresh int    // how much of it was not searched yet
	at    int64  // where data begins in the stream
	line  int    // lines before data
	told  map[int]int64

	marked bool // all secrets are tokens that a vendor marks
}

// longestPlace bounds a secret in the forms that come in pieces: cuts so close to the end of
// the data wait for the rest.
const longestPlace = 4 << 10

// Of a secret without a vendor's mark, which may be made of words that code has too, a part
// counts as found from enough percent of it on.
const enough = 90

// leastNumbers is how many bytes of a secret, as numbers, count as found: tables of numbers
// are long enough to show fewer by chance.
const leastNumbers = 10

// NewSearch returns a Search that calls found once for each place, in no certain order.
func (r *Redactor) NewSearch(found func(Place)) *Search {
	return &Search{scan: scan{r: r}, found: found, told: map[int]int64{}, marked: !slices.Contains(slices.Collect(maps.Values(r.plain)), true)}
}

// Write searches the next part of the stream. It never fails.
func (s *Search) Write(p []byte) (int, error) {
	s.data = append(s.data, p...)
	if s.fresh += len(p); s.fresh < longestPlace {
		return len(p), nil
	}
	s.look(false)
	start := s.scan.start()
	s.drop(start)
	s.floor, s.fresh = s.scan.keep-start, 0
	return len(p), nil
}

// Skip ends what is before, and leaves out the next n bytes of the stream, which hold
// nothing.
func (s *Search) Skip(n int64) {
	s.End()
	s.at += n
}

// End tells that nothing more continues what is before. The Search can then be written to
// again.
func (s *Search) End() {
	s.look(true)
	s.drop(len(s.data))
	s.floor, s.fresh = 0, 0
}

// Reset makes the Search ready for another stream.
func (s *Search) Reset() {
	s.End()
	s.at, s.line = 0, 0
	clear(s.told)
}

func (s *Search) drop(n int) {
	s.line += bytes.Count(s.data[:n], []byte{'\n'})
	s.at += int64(n)
	s.data = s.data[:copy(s.data, s.data[n:])]
}

func (s *Search) look(all bool) {
	if s.marked && s.scan.glance(s.data, s.floor, all) {
		return
	}
	s.scan.look(s.data, s.floor, all)
	if len(s.scan.cuts) > 0 {
		s.tell()
	}
}

// tell calls found for the decided cuts, those of one secret that overlap as one.
func (s *Search) tell() {
	cuts := slices.DeleteFunc(s.scan.cuts, func(c cut) bool {
		f := c.form
		if !s.scan.all && c.to > len(s.data)-longestPlace {
			s.scan.keep = min(s.scan.keep, c.from)
			return true
		}
		return c.open || c.to > s.scan.hold || f.as == Numbers && (c.end-c.start)*f.bytes < leastNumbers*len(f.text)
	})
	slices.SortFunc(cuts, func(a, b cut) int { return cmp.Or(cmp.Compare(a.form.of, b.form.of), cmp.Compare(a.from, b.from)) })
	for i := 0; i < len(cuts); {
		n, to := i+1, cuts[i].to
		for ; n < len(cuts) && cuts[n].form.of == cuts[i].form.of && cuts[n].from <= to; n++ {
			to = max(to, cuts[n].to)
		}
		s.place(cuts[i].from, to, cuts[i:n])
		i = n
	}
}

// place tells of a place that several pieces of one secret cover. Lines and dumps show a
// secret in pieces.
func (s *Search) place(from, to int, pieces []cut) {
	best := slices.MaxFunc(pieces, func(a, b cut) int { return cmp.Compare(a.end-a.start, b.end-b.start) })
	f := best.form
	start, end := best.start, best.end
	for _, c := range pieces {
		if c.form == f {
			start, end = min(start, c.start), max(end, c.end)
		}
	}
	if s.at+int64(from) < s.told[f.of] || s.scan.r.plain[f.of] && !f.dumped && 100*(end-start) < enough*len(f.text) {
		return // found already, in another form, or too little
	}
	s.told[f.of] = s.at + int64(to)
	as := f.as
	if wide := 2*(best.end-best.start) - 1; as == Plain && to-from >= wide && to-from <= wide+1 && s.data[from+1] == 0 {
		as = UTF16
	}
	s.found(Place{
		From: s.at + int64(from), To: s.at + int64(to), Line: s.line + bytes.Count(s.data[:from], []byte{'\n'}) + 1,
		Login: f.of, As: as, Whole: end-start == len(f.text),
	})
}
