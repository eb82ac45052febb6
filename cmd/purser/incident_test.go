package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"purser/internal/audit"
	"purser/internal/credential"
)

// TestWhoStillHasIt tells those who have read the new token from those who have not.
func TestWhoStillHasIt(t *testing.T) {
	replaced := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	before, after := replaced.Add(-time.Hour), replaced.Add(time.Hour)
	i := &incident{Credential: "dockerhub", Since: before, Replaced: &replaced}
	i.addReads(credential.Target{Secret: "s"}, audit.Reads{Complete: false, Oldest: before, Unreadable: 2, Since: before, Reads: []audit.Read{
		{At: after, Principal: "new"}, {At: before, Principal: "new"},
		{At: before, Principal: "old"},
		{At: after, Principal: "refused since", Denied: "AccessDenied"}, {At: before, Principal: "refused since"},
		{At: after, Principal: "reads the one before", Stage: credential.Previous}, {At: before, Principal: "reads the one before", Stage: credential.Current},
		{At: before, Principal: "only refused", Denied: "AccessDenied"},
	}}, true)
	want := map[string]bool{"new": false, "old": true, "refused since": true, "reads the one before": true, "only refused": false}
	for _, r := range i.Readers {
		if r.HasIt != want[r.Principal] {
			t.Errorf("%s has it: %t", r.Principal, r.HasIt)
		}
	}
	i.conclude(errors.New("no"))
	if text := i.markdown(); len(i.Readers) != 5 || !strings.Contains(text, "3 readers have not read the new token yet") || !strings.Contains(text, "2 events of CloudTrail") || !strings.Contains(text, "It did not get to its end") {
		t.Errorf("the record:\n%s", text)
	}
}

// TestARecordIsNotMadeByWhoReads keeps what others have written from becoming Markdown.
func TestARecordIsNotMadeByWhoReads(t *testing.T) {
	i := &incident{Credential: "dockerhub", Readers: []incidentReader{{Principal: "a|b\n# c", Session: "<script>[x](http://x)`", Sources: []string{"*_"}}}}
	i.conclude(nil)
	for line := range strings.Lines(i.markdown()) {
		if strings.HasPrefix(line, "# c") || strings.Contains(line, "<script>") || strings.Contains(line, "](http") && !strings.Contains(line, `\]`) {
			t.Errorf("it is Markdown: %s", line)
		}
	}
}
