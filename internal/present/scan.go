package present

import (
	"fmt"
	"slices"
	"time"

	"purser/internal/credential"
	"purser/internal/scan"
)

// Scan prints what a scan found, and what to do about it on errs.
func (o Out) Scan(r *scan.Result, took time.Duration, errs Out) {
	if len(r.Findings) > 0 {
		t := Table{Columns: []Column{{Head: "STATE"}, {Head: "TOKEN"}, {Head: "FORM", Goes: 1}, {Head: "PLACE", Least: 24}}}
		for _, f := range r.Findings {
			at := f.Where.String()
			if f.Versions > 0 {
				at += ", and " + number(int64(f.Versions), "later version")
			}
			t.Rows = append(t.Rows, []string{stateOf(f), f.Who(), formOf(f), at})
		}
		o.Table(t)
	}
	o.missed(r.Missed)
	o.Text(totalsText(r, took))
	for _, err := range ScanFaults(r) {
		if f, ok := AsFault(err); ok {
			f.Given = errs.Given
		}
		errs.Error(err)
	}
}

// missed prints where the scan could not look: a few places, and how many more.
func (o Out) missed(all []scan.Missed) {
	const few = 20
	for _, m := range all[:min(few, len(all))] {
		o.Line(credential.Unknown, "Not searched", m.Where.String()+": "+m.Why)
	}
	if more := len(all) - few; more > 0 {
		o.Line(credential.Unknown, "Not searched", fmt.Sprintf("%d more places; --output json lists them", more))
	}
}

func stateOf(f scan.Finding) string {
	switch {
	case f.Current():
		return "live"
	case f.Live():
		return "works"
	case f.Works == credential.Refused:
		return "dead"
	case f.Value == nil:
		return "unknown"
	case f.Value.Stage == credential.Pending:
		return "staged"
	}
	return "previous"
}

func formOf(f scan.Finding) string {
	if !f.Whole {
		return "a part, " + string(f.As)
	}
	return string(f.As)
}

func totalsText(r *scan.Result, took time.Duration) string {
	text := fmt.Sprintf("searched %s, %s, in %s", number(r.Totals.Streams, "file"), size(r.Totals.Bytes), took.Round(time.Millisecond))
	if r.Totals.Skipped > 0 {
		text += "; skipped " + size(r.Totals.Skipped) + " that cannot hold text"
	}
	if len(r.Findings) == 0 {
		return text + ": found nothing"
	}
	return text + ": found " + number(int64(len(r.Findings)), "place")
}

func number(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func size(n int64) string {
	for _, unit := range []string{"bytes", "kB", "MB"} {
		if n < 10_000 {
			return fmt.Sprintf("%d %s", n, unit)
		}
		n /= 1000
	}
	return fmt.Sprintf("%d GB", n)
}

// ScanFaults returns what a person has to act on, the worst first.
func ScanFaults(r *scan.Result) (all []error) {
	names, places := r.Current()
	for _, name := range names {
		when := "uses now"
		for _, f := range r.Findings {
			if f.Current() && f.Value.Credential == name && !f.Value.Since.IsZero() {
				when = "used on " + f.Value.Since.Format(time.DateOnly) + ", when its fingerprint was made,"
			}
		}
		all = append(all, &credential.Fault{Reason: credential.LiveFound, Credential: name, What: "the token that " + string(name) + " " + when + " is in " + number(int64(len(places[name])), "place")})
	}
	var works, others int64
	for _, f := range r.Findings {
		switch {
		case f.Current():
		case f.Live():
			works++
		default:
			others++
		}
	}
	if works > 0 {
		all = append(all, &credential.Fault{Reason: credential.LiveFound, What: "other tokens that work are in " + number(works, "place")})
	}
	if others > 0 {
		all = append(all, &credential.Fault{Reason: credential.TokenFound, What: "there are other tokens in " + number(others, "place")})
	}
	if n := len(r.Missed); n > 0 {
		all = append(all, &credential.Fault{Reason: credential.NotLookedFor, What: "purser could not search " + number(int64(n), "place"), Why: "it named them above"})
	}
	return append(all, r.Faults...)
}

// ScanExit returns the exit code of a scan. Live tokens are worse than others, and those worse
// than what is not known; with onlyLive, others do not count.
func ScanExit(r *scan.Result, onlyLive bool) int {
	switch {
	case slices.ContainsFunc(r.Findings, scan.Finding.Live):
		return ExitBad
	case len(r.Findings) > 0 && !onlyLive:
		return ExitFailed
	case len(r.Missed) > 0:
		return ExitUnknown
	}
	return WorstOf(r.Faults)
}

// ScanJSON is the scan part of a report.
type ScanJSON struct {
	Findings []FindingJSON `json:"findings"`
	Missed   []scan.Missed `json:"missed"`
	Errors   []*ErrorJSON  `json:"errors,omitempty"`
	Totals   scan.Totals   `json:"totals"`
}

// FindingJSON is one place where a scan found a token.
type FindingJSON struct {
	State      string     `json:"state"`
	Credential string     `json:"credential,omitempty"`
	Version    string     `json:"version,omitempty"`
	Rule       string     `json:"rule,omitempty"`
	Form       string     `json:"form"`
	Versions   int        `json:"versions,omitempty"`
	Whole      bool       `json:"whole"`
	Where      scan.Where `json:"where"`
}

// ScanReport describes a scan.
func ScanReport(r *scan.Result, given credential.Given) ScanJSON {
	report := ScanJSON{Findings: []FindingJSON{}, Missed: append([]scan.Missed{}, r.Missed...), Totals: r.Totals}
	for _, f := range r.Findings {
		one := FindingJSON{State: stateOf(f), Rule: f.Rule, Form: string(f.As), Versions: f.Versions, Whole: f.Whole, Where: f.Where}
		if f.Value != nil {
			one.Credential, one.Version = string(f.Value.Credential), string(f.Value.Version)
		}
		report.Findings = append(report.Findings, one)
	}
	for _, err := range ScanFaults(r) {
		if f, ok := AsFault(err); ok {
			f.Given = given
		}
		report.Errors = append(report.Errors, ErrorReport(err))
	}
	return report
}
