package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file, which -update writes.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update writes it:\n%s", path, diff)
	}
}

func TestErrorsSayWhereAndWhatAsInTheGoldenFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("purser.yaml", data, Options{Dir: "/project", Home: "/home/me"})
			if err == nil {
				t.Fatal("Parse accepted the file")
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", []byte(err.Error()+"\n"))
		})
	}
}

func TestEveryErrorIsAUsageFaultThatKeepsThePlace(t *testing.T) {
	_, err := Parse("purser.yaml", []byte("credentials:\n  dockerhub:\n    registri: docker.io\n    access: all\n    repositories: [acme/app]\n"), Options{})
	if reason := credential.ReasonOf(err); reason != credential.Usage {
		t.Errorf("reason = %q, want %q", reason, credential.Usage)
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("Parse gives %T, want an *Error in it", err)
	}
	const line = `purser.yaml:3:5: credentials.dockerhub.registri: unknown key; did you mean "registry"?`
	want := Error{
		File: "purser.yaml", Line: 3, Column: 5, Key: "credentials.dockerhub.registri",
		Text: `unknown key; did you mean "registry"?`, Err: e.Err,
	}
	if *e != want || e.Error() != line {
		t.Errorf("first error = %#v, want %#v", *e, want)
	}
	if f, _ := errors.AsType[*credential.Fault](err); f.Error() != line {
		t.Errorf("fault = %q, want %q", f.Error(), line)
	}
	if want := line + "\npurser.yaml:4:13: credentials.dockerhub.access: this must be one of push, pull"; err.Error() != want {
		t.Errorf("error = %q, want %q", err, want)
	}
}

func TestAFileThatIsSomethingElseIsNotReportedLineByLine(t *testing.T) {
	data := bytes.Buffer{}
	for i := range 1000 {
		data.WriteString("key" + strings.Repeat("x", i%50+5) + strings.Repeat("y", i/50) + ": 1\n")
	}
	_, err := Parse("purser.yaml", data.Bytes(), Options{})
	lines := strings.Split(err.Error(), "\n")
	if last := lines[len(lines)-1]; len(lines) != reportLimit+1 || last != "purser.yaml: and 951 more mistakes" {
		t.Errorf("%d lines, the last %q", len(lines), last)
	}
}

func TestFilesThatAreTooLargeAreRefused(t *testing.T) {
	for name, data := range map[string][]byte{
		"bytes":  bytes.Repeat([]byte("#"), sizeLimit+1),
		"tokens": bytes.Repeat([]byte("a:\n"), tokenLimit),
		"lists":  bytes.Repeat([]byte("- "), tokenLimit),
		"flows":  bytes.Repeat([]byte("["), tokenLimit),
	} {
		if _, err := Parse("purser.yaml", data, Options{}); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("%s: error = %v, want a usage fault", name, err)
		}
	}
}

// canaries are tokens with and without a prefix.
var canaries = []string{"dckr_pat_Zq7Canary9xK2mW4vB8nT1", "Zq7Canary9xK2mW4vB8nT1", "ghp_zq7canary9xk2mw4vb8nt1", "0a1b2c3d-0a1b-2c3d-4e5f-9a8b7c6d5e4f"}

// assertHidden fails if an error shows a piece of the canary.
func assertHidden(t *testing.T, err error, canary, text string) {
	t.Helper()
	for e := range chain(err) {
		if credential.Shows(e.Error(), credential.NewSecret(canary)) {
			t.Errorf("the error shows the canary: %v\nfor:\n%s", e, text)
		}
	}
}

// chain returns an error and all that it wraps.
func chain(err error) func(func(error) bool) {
	return func(yield func(error) bool) {
		queue := []error{err}
		for len(queue) > 0 && queue[0] != nil {
			e := queue[0]
			queue = queue[1:]
			if !yield(e) {
				return
			}
			switch u := e.(type) { //nolint:errorlint // this walks the tree of errors itself
			case interface{ Unwrap() error }:
				if inner := u.Unwrap(); inner != nil {
					queue = append(queue, inner)
				}
			case interface{ Unwrap() []error }:
				queue = append(queue, u.Unwrap()...)
			}
		}
	}
}

const full = `aws:
  profile: mockserver-build
  region: eu-west-2
credentials:
  dockerhub:
    registry: docker.io
    username: mockserver
    repositories:
      - mockserver/mockserver
    access: push
    store:
      - secret: mockserver-build/dockerhub
        region: eu-west-1
        profile: other
        kms-key: alias/build
        shape:
          username: user
          token: secret
      - file: dockerhub.age.json
        passphrase: true
        shape: password
    rotate:
      every: 90d
      overlap: 24h
    readers:
      - policy/read
    ca: ca.pem
    auth-hosts:
      - auth.example.net
`

func TestATokenInAnyPlaceIsInNoError(t *testing.T) {
	if _, err := Parse("purser.yaml", []byte(full), Options{}); err != nil {
		t.Fatalf("the file is not good to begin with: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(full), "\n")
	for _, canary := range canaries {
		for i, line := range lines {
			key, value, _ := strings.Cut(line, ":")
			indent := key[:len(key)-len(strings.TrimLeft(key, " -"))]
			pasted := []string{
				indent + canary,
				indent + canary + ":" + value,
				key + ": " + canary,
				key + ": [" + canary + "]",
				key + ": {" + canary + ": x}",
				key + ": '" + canary,
				key + ": *" + canary,
				key + ": !" + canary,
				key + ": " + canary + ": x",
				key + ":" + value + "\n" + line + canary,
				line + " " + canary,
				canary + line,
			}
			for _, p := range pasted {
				text := strings.Join(append(append(append([]string{}, lines[:i]...), p), lines[i+1:]...), "\n")
				if _, err := Parse("purser.yaml", []byte(text), Options{}); err != nil {
					assertHidden(t, err, canary, text)
				}
			}
		}
	}
}

func TestAMarkedTokenIsRefusedUnderEveryKey(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(full), "\n")
	for i, line := range lines {
		key, value, ok := strings.Cut(line, ": ")
		if !ok {
			continue
		}
		lines[i] = key + ": " + canaries[0]
		_, err := Parse("purser.yaml", []byte(strings.Join(lines, "\n")), Options{})
		lines[i] = key + ": " + value
		if err == nil || !strings.Contains(err.Error(), tokenFound) {
			t.Errorf("a token as %s gives %v, want that it is said", strings.TrimSpace(key), err)
		}
	}
}

// TestLinesAreCountedOnceWhateverEndsThem, so that editors can jump to the line.
func TestLinesAreCountedOnceWhateverEndsThem(t *testing.T) {
	const text = "# one\n# two\naws: {region: eu-west-2} # three\ncredentials:\n  x:\n    registri: docker.io\n"
	for _, end := range []string{"\n", "\r\n"} {
		_, err := Parse("purser.yaml", []byte(strings.ReplaceAll(text, "\n", end)), Options{})
		if err == nil || !strings.Contains(err.Error(), "purser.yaml:6:") {
			t.Errorf("lines that end in %q: %v", end, err)
		}
	}
}
