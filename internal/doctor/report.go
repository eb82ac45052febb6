package doctor

import (
	"strings"

	"purser/internal/credential"
	"purser/internal/present"
)

// Reported is a finding as JSON.
type Reported struct {
	Credential string             `json:"credential,omitempty"`
	Check      string             `json:"check"`
	Verdict    string             `json:"verdict"`
	Text       string             `json:"text"`
	Error      *present.ErrorJSON `json:"error,omitempty"`
}

// Report converts findings to JSON.
func Report(findings []Finding) (rows []Reported) {
	for _, f := range findings {
		rows = append(rows, Reported{
			Credential: string(f.Credential), Check: strings.ToLower(f.Check), Verdict: f.Verdict.String(), Text: f.Text, Error: present.ErrorReport(f.Fault),
		})
	}
	return rows
}

// Worst returns the findings' exit code.
func Worst(findings []Finding) int {
	var codes []int
	for _, f := range findings {
		if f.Fault != nil {
			codes = append(codes, present.ExitCode(f.Fault))
		}
	}
	return present.Worst(codes...)
}

// Sums prints the last line; left counts unchecked credentials.
func Sums(o present.Out, findings []Finding, left int) {
	n := map[credential.Verdict]int{}
	for _, f := range findings {
		n[f.Verdict]++
	}
	o.Sums(len(findings), "findings", present.Count{N: n[credential.Granted], How: "good"}, present.Count{N: n[credential.Refused], How: "bad"},
		present.Count{N: n[credential.Unknown], How: "unknown"}, present.Count{N: left, How: "credentials not checked"})
}
