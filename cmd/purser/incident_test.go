package main

import (
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/audit"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/incident"
	"purser/internal/receipt"
	"purser/internal/record"
	"purser/internal/wire"
	"purser/internal/wire/receipts"
)

// TestTheReportSaysWhoStillHasTheToken: some read the new token, others did not.
func TestTheReportSaysWhoStillHasTheToken(t *testing.T) {
	replaced := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	before, after := replaced.Add(-time.Hour), replaced.Add(time.Hour)
	i := &incident.Record{Credential: "dockerhub", Since: before, Stopped: &replaced, Replaced: &replaced}
	i.AddReads(credential.Target{Kind: "secret", Name: "s"}, audit.Reads{Complete: false, Oldest: before, Unreadable: 2, Since: before, Reads: []audit.Read{
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
	i.Conclude(errors.New("no"), "purser respond dockerhub")
	if text := i.Markdown(); len(i.Readers) != 5 || !strings.Contains(text, "3 readers still have the old token") || !strings.Contains(text, "2 CloudTrail events") || !strings.Contains(text, "It did not finish") {
		t.Errorf("the record:\n%s", text)
	}
}

func TestWhatOthersWroteDoesNotBecomeMarkdown(t *testing.T) {
	i := &incident.Record{Credential: "dockerhub", Readers: []incident.Reader{{Principal: "a|b\n# c", Session: "<script>[x](http://x)`", Sources: []string{"*_"}}}}
	i.Conclude(nil, "purser respond dockerhub")
	for line := range strings.Lines(i.Markdown()) {
		if strings.HasPrefix(line, "# c") || strings.Contains(line, "<script>") || strings.Contains(line, "](http") && !strings.Contains(line, `\]`) {
			t.Errorf("it is Markdown: %s", line)
		}
	}
}

// TestAReportFollowsNoLink: somebody guesses the report's name and puts a link to your file
// there.
func TestAReportFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, "precious")
	if err := os.WriteFile(precious, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	base := filepath.Join(dir, "purser-incident-dockerhub-20261123T120000Z")
	for _, ending := range []string{".json", ".md"} {
		if err := os.Symlink(precious, base+ending); err != nil {
			t.Skip("no links here: skipped")
		}
	}
	a := &app{out: io.Discard, err: io.Discard}
	if _, err := a.recorded(t.Context(), credential.Credential{}, &incident.Record{Credential: "dockerhub", Began: began}, dir, nil); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(precious); string(text) != "mine" {
		t.Errorf("the person's file holds %q, %v", text, err)
	}
	for _, ending := range []string{".json", ".md"} {
		if info, err := os.Lstat(base + ending); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: %v", ending, err)
		}
	}
}

func TestAChangeThatFailedWithoutAReceiptSaysBoth(t *testing.T) {
	dir := t.TempDir()
	folder := filepath.Join(dir, "sub")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	file := &config.File{Path: filepath.Join(dir, config.FileName), Receipts: config.Receipts{Wanted: true, File: filepath.Join(folder, "receipts.jsonl")}}
	to, err := receipts.New(t.Context(), &wire.Wire{}, file, credential.Target{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	failed := &credential.Fault{Reason: credential.NotDead, What: "the old token works still"}
	err = (&record.Recorder{To: to, Now: time.Now, Random: rand.Reader, Err: &shown}).Write(t.Context(), record.Change{
		Command: receipt.Revoke, Of: credential.Credential{Name: "dockerhub"}, Ended: []credential.ManagedToken{{ID: "t1"}}, Err: failed,
	})
	if credential.ReasonOf(err) != credential.NotDead || !strings.Contains(shown.String(), "note: revoke of dockerhub failed, token t1 was revoked, but purser could not write its receipt") {
		t.Errorf("%v, shown %q", err, shown.String())
	}
}
