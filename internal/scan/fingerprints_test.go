package scan_test

import (
	"crypto/rand"
	"encoding/base64"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/scan"
	"purser/internal/scan/fingerprint"
	_ "purser/internal/wire/kinds" // the prefixes of tokens
)

func fingerprints(t *testing.T, tokens map[string]string) *fingerprint.Set {
	t.Helper()
	var all []fingerprint.Token
	for name, token := range tokens {
		all = append(all, fingerprint.Token{Credential: credential.Name(name), Stage: credential.Current, Secret: credential.NewSecret(token)})
	}
	set, err := fingerprint.New(rand.Reader, time.Now(), nil, all)
	if err != nil {
		t.Fatal(err)
	}
	if set, err = fingerprint.Parse(set.Encode()); err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAFileOfFingerprintsIsWrittenOver(t *testing.T) {
	password := value("quay", "FAKE-correct-horse-battery-staple")
	first, faults, err := scan.Fingerprints(rand.Reader, time.Now(), nil, []scan.Value{value("dockerhub", token), password})
	if err != nil || len(faults) != 1 || !strings.Contains(faults[0].Error(), "the token of quay gets no fingerprint") || len(first.Entries) != 1 {
		t.Fatalf("%v, %v, %+v", err, faults, first)
	}
	second, faults, err := scan.Fingerprints(rand.Reader, time.Now(), first.Encode(), []scan.Value{value("dockerhub", token)})
	if err != nil || len(faults) > 0 || !slices.Equal(second.Entries, first.Entries) {
		t.Errorf("%v, %v, %+v", err, faults, second)
	}
	for name, c := range map[string]struct {
		before string
		values []scan.Value
		why    string
	}{"another file": {"credentials:\n", []scan.Value{value("dockerhub", token)}, "isn't one that purser scan --export wrote"}, "no random token": {string(first.Encode()), []scan.Value{password}, "the token of quay gets no"}} {
		if set, _, err := scan.Fingerprints(rand.Reader, time.Now(), []byte(c.before), c.values); err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%s: made %+v, %v", name, set, err)
		}
	}
}

func TestFingerprintsFindWhatTheScannerDoesNotKnow(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/.env"), "X=1\nTOKEN="+token+"\n")
	write(t, filepath.Join(dir, "b/"+token+".txt"), strings.Repeat("\x00", 300<<10)+"\n"+token)
	write(t, filepath.Join(dir, "config.json"), `{"auth":"`+base64.StdEncoding.EncodeToString([]byte("mockserver:"+token))+`"}`)
	write(t, filepath.Join(dir, "other"), strings.Replace(token, "FAKE", "FAKF", 1))
	s, r := scanner()
	s.Fingerprints = fingerprints(t, map[string]string{"dockerhub": token, "same": token})
	forms, err := scan.NewForms()
	if err != nil {
		t.Fatal(err)
	}
	s.Forms = forms
	tell := s.Found
	s.Found = func(f scan.Finding) {
		if tell(f); f.Value != nil && f.Value.Login.Token.Len() != len(token) {
			t.Error("the finding doesn't have the token to be proved")
		}
	}
	if err := s.Files(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	slices.Sort(r.found)
	var want []string
	for _, name := range []string{"dockerhub", "same"} {
		want = append(want, dir+"/a/.env:2 "+name+" as it is", dir+"/config.json:1 "+name+" in base64",
			// The place of a name is shown without what looks like a token.
			"(a text that contains a token, not shown):0 "+name+" as it is", "(a text that contains a token, not shown):2 "+name+" as it is")
	}
	want = append(want, dir+"/other:1 dckr-pat as it is")
	slices.Sort(want)
	if !slices.Equal(r.found, want) || len(r.missed) > 0 {
		t.Errorf("found %q\nwant %q\nmissed %q", r.found, want, r.missed)
	}
}

func TestFilesWithTooManyTokensToCompareAreMissed(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "planted"), "dckr_pat_FAKEplanted0plantedplanted1 "+token)
	write(t, filepath.Join(dir, "clean"), "nothing\n")
	s, r := scanner()
	s.Fingerprints = fingerprints(t, map[string]string{"dockerhub": token})
	s.Fingerprints.Most = 1
	for range 2 { // the second time the same Search is used again
		if err := s.Files(t.Context(), filepath.Join(dir, "planted"), filepath.Join(dir, "clean")); err != nil {
			t.Fatal(err)
		}
	}
	miss := filepath.Join(dir, "planted") + ": " + fingerprint.ErrTooMany.Error()
	if want := []string{miss, miss}; !slices.Equal(r.missed, want) || len(r.found) > 0 {
		t.Errorf("found %q, missed %q", r.found, r.missed)
	}
}
