package scan

import (
	"cmp"
	"slices"
	"strings"

	"purser/internal/credential"
)

// Result is what a scan found.
type Result struct {
	Findings []Finding
	Missed   []Missed
	Faults   []error // why some values could not be looked for
	Totals   Totals
}

// Collect makes a Scanner for values that adds what it finds to a result. The result is
// complete, and sorted, after Done.
func Collect(values []Value) (*Scanner, *Result) {
	s, r := New(values), &Result{}
	s.Found = func(f Finding) { r.Findings = append(r.Findings, f) }
	s.Missed = func(m Missed) { r.Missed = append(r.Missed, m) }
	return s, r
}

// Done sorts what a scan found: live values first, then by place.
func (r *Result) Done(s *Scanner) {
	r.Totals = s.Totals()
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), a.Where.compare(b.Where), strings.Compare(a.Who(), b.Who()))
	})
	slices.SortStableFunc(r.Missed, func(a, b Missed) int { return a.Where.compare(b.Where) })
}

// Live reports whether somebody can use what was found.
func (f Finding) Live() bool { return f.Current() || f.Works == credential.Granted }

// Current reports whether consumers use what was found.
func (f Finding) Current() bool { return f.Value != nil && f.Value.Live() }

// Who names what was found: a credential, or the kind of token.
func (f Finding) Who() string {
	if f.Value != nil {
		return string(f.Value.Credential)
	}
	return f.Rule
}

func (f Finding) rank() int {
	switch {
	case f.Current():
		return 0
	case f.Live():
		return 1
	case f.Value != nil:
		return 2
	}
	return 3
}

func (w Where) compare(o Where) int {
	return cmp.Or(strings.Compare(w.Path, o.Path), slices.Compare(w.Inside, o.Inside), strings.Compare(w.Object, o.Object), cmp.Compare(w.Line, o.Line))
}

// Current returns the credentials whose current value was found, each once, with its places.
func (r *Result) Current() (names []credential.Name, places map[credential.Name][]Where) {
	places = map[credential.Name][]Where{}
	for _, f := range r.Findings {
		if !f.Current() {
			continue
		}
		name := f.Value.Credential
		if places[name] = append(places[name], f.Where); len(places[name]) == 1 {
			names = append(names, name)
		}
	}
	return names, places
}
