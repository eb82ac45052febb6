package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
)

var rendered = Entry{
	Name: "dockerhub", Registry: "docker.io", Username: "mockserver", Access: "push", Repositories: []string{"mockserver/mockserver"},
	Kind: "secret", Target: "mockserver-build/dockerhub", Every: "90d", Overlap: "24h", Readers: []string{"policy/buildkite-read-dockerhub-secret"},
}

func TestANewFileLooksLikeTheExample(t *testing.T) {
	want := `aws: {profile: mockserver-build, region: eu-west-2}
credentials:
  dockerhub:
    registry: docker.io
    username: mockserver
    repositories: [mockserver/mockserver]
    access: push
    store: {secret: mockserver-build/dockerhub}
    rotate: {every: 90d, overlap: 24h}
    readers: [policy/buildkite-read-dockerhub-secret]
`
	got := Render(AWS{Profile: "mockserver-build", Region: "eu-west-2"}, []Entry{rendered})
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, err := Parse("purser.yaml", got, Options{Dir: "/p", Home: "/h"}); err != nil {
		t.Error(err)
	}
}

func TestRenderedFilesParseToTheSameCredentials(t *testing.T) {
	for _, e := range []Entry{
		{Name: "a", Registry: "ghcr.io", Repositories: []string{"a/b", "c/d"}, Username: "no", Access: "pull", Kind: "file", Target: "x y.json"},
		{Name: "1", Registry: "localhost:5000", Repositories: []string{"x"}, Username: "12345", Kind: "secret", Target: "a/b+c=d@e", Region: "eu-west-2", Profile: "with: colon #x"},
		{Name: "on", Registry: "docker.io", Repositories: []string{"a/b"}, Kind: "secret", Target: "ecr-pullthroughcache/x", Shape: "ecr-pull-through-cache", Access: "pull"},
		{Name: "own", Registry: "docker.io", Repositories: []string{"a/b"}, Kind: "secret", Target: "x", Shape: "user,pass", Every: "1d12h"},
	} {
		file, err := Parse("purser.yaml", Render(AWS{}, []Entry{e}), Options{Dir: "/p", Home: "/h"})
		if err != nil {
			t.Errorf("%s: %v\n%s", e.Name, err, Render(AWS{}, []Entry{e}))
			continue
		}
		c := file.Credentials[0]
		if string(c.Name) != e.Name || c.Username != e.Username || len(c.Repositories) != len(e.Repositories) || c.Targets[0].Name != e.Target && e.Kind == "secret" || c.Targets[0].Profile != e.Profile {
			t.Errorf("%s became %+v", e.Name, c)
		}
	}
}

func TestAddingKeepsEveryOtherLine(t *testing.T) {
	before := "# ours\naws: {region: eu-west-2}\n\ncredentials:\n    # the first\n    first:   # comment\n        registry: docker.io\n        repositories: [a/b]\n\n# the end\n"
	got, err := Add([]byte(before), []Entry{rendered}, false)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(before, "\n\n# the end\n", "\n"+strings.Join(rendered.lines("    "), "\n")+"\n\n# the end\n", 1)
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	taken := rendered
	taken.Username = "someone"
	if _, err := Add(got, []Entry{taken}, false); credential.ReasonOf(err) != credential.Usage || !strings.Contains(err.Error(), "in line 9") {
		t.Errorf("twice: %v", err)
	}
	other := rendered
	other.Username = "someone"
	replaced, err := Add(got, []Entry{other}, true)
	if err != nil || string(replaced) != strings.Replace(string(got), "username: mockserver", "username: someone", 1) {
		t.Errorf("replaced: %v\n%s", err, replaced)
	}
	commented := strings.Replace(string(got), "    dockerhub:", "    # about dockerhub\n    dockerhub:", 1)
	commented = strings.Replace(commented, "\n# the end", "\n    # about the last\n    last:\n        registry: ghcr.io\n        repositories: [a/b]\n# the end", 1)
	kept, err := Add([]byte(commented), []Entry{other}, true)
	if err != nil || !strings.Contains(string(kept), "# about the last\n    last:") || !strings.Contains(string(kept), "# about dockerhub\n    dockerhub:") {
		t.Errorf("comments beside a replaced credential: %v\n%s", err, kept)
	}
	if same, err := Add(replaced, []Entry{other}, false); err != nil || string(same) != string(replaced) {
		t.Errorf("the same again: %v\n%s", err, same)
	}
	if _, err := Add([]byte(before+"# old: dckr_pat_"+"FAKEfakeFAKEfakeFAKEfake12A\n"), []Entry{rendered}, false); credential.ReasonOf(err) != credential.TokenInArguments || strings.Contains(err.Error(), "FAKE") {
		t.Errorf("a token in a comment: %v", err)
	}
	for _, text := range []string{"credentials: {a: {registry: docker.io}}\n", "", "aws: {}\n"} {
		if _, err := Add([]byte(text), []Entry{rendered}, false); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("%q: %v", text, err)
		}
	}
	windows, err := Add([]byte(strings.ReplaceAll(before, "\n", "\r\n")), []Entry{rendered}, false)
	if err != nil || strings.ReplaceAll(string(windows), "\r\n", "\n") != string(got) || strings.Count(string(windows), "\n") != strings.Count(string(windows), "\r\n") {
		t.Errorf("with other line ends: %v\n%q", err, windows)
	}
}

// FuzzAdd checks that a valid file stays valid and has the added credential.
func FuzzAdd(f *testing.F) {
	f.Add(Example)
	f.Add(full)
	f.Add("credentials:\n  a:\n    registry: docker.io\n    repositories: [a/b]\naws: {region: eu-west-2}\n")
	f.Fuzz(func(t *testing.T, text string) {
		options := Options{Dir: "/p", Home: "/h"}
		before, err := Parse("purser.yaml", []byte(text), options)
		if err != nil {
			return
		}
		added := rendered
		added.Name = "zz-added"
		got, err := Add([]byte(text), []Entry{added}, false)
		if err != nil {
			return
		}
		after, err := Parse("purser.yaml", got, options)
		if err == nil && len(after.Credentials) != len(before.Credentials)+1 {
			t.Errorf("%d credentials became %d:\n%s", len(before.Credentials), len(after.Credentials), got)
		}
	})
}
