package scan_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/scan"
)

// token is synthetic. Its parts do not repeat.
const token = "dckr_pat_FAKE0aB1cD2eF3gH4iJ5kL6mN7o"

func value(name, token string) scan.Value {
	return scan.Value{Credential: credential.Name(name), Stage: credential.Current, Login: credential.Login{Username: "mockserver", Token: credential.NewSecret(token)}}
}

// results are what a scan told, in lines for comparison.
type results struct {
	found, missed []string
}

func scanner(values ...scan.Value) (*scan.Scanner, *results) {
	s, r := scan.New(values), &results{}
	s.Found = func(f scan.Finding) {
		who := f.Rule
		if f.Value != nil {
			who = string(f.Value.Credential)
		}
		r.found = append(r.found, fmt.Sprintf("%s:%d %s %s", strings.Join(append([]string{f.Where.Path}, f.Where.Inside...), "!"), f.Where.Line, who, f.As))
	}
	s.Missed = func(m scan.Missed) {
		r.missed = append(r.missed, strings.Join(append([]string{m.Where.Path}, m.Where.Inside...), "!")+": "+m.Why)
	}
	return s, r
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFilesAreLookedThrough(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a/.env"), "X=1\nTOKEN="+token+"\n")
	write(t, filepath.Join(dir, ".gitignore"), ".env\n")
	write(t, filepath.Join(dir, "b/"+token+".txt"), "")
	write(t, filepath.Join(dir, "at-a-border"), strings.Repeat("x", 128<<10-20)+token)
	if err := os.Symlink(dir, filepath.Join(dir, "loop")); err != nil {
		t.Fatal(err)
	}
	s, r := scanner(value("dockerhub", token), value("same", token))
	if err := s.Files(context.Background(), dir); err != nil {
		t.Fatal(err)
	}
	slices.Sort(r.found)
	want := []string{
		dir + "/a/.env:2 dockerhub as it is", dir + "/a/.env:2 same as it is",
		dir + "/at-a-border:1 dockerhub as it is", dir + "/at-a-border:1 same as it is",
		dir + "/b/dckr_pat_[redacted].txt:0 dockerhub as it is", dir + "/b/dckr_pat_[redacted].txt:0 same as it is",
	}
	if !slices.Equal(r.found, want) || len(r.missed) > 0 {
		t.Errorf("found %q\nwant %q\nmissed %q", r.found, want, r.missed)
	}
}

func auth(token string) string {
	return base64.StdEncoding.EncodeToString([]byte("mockserver:" + token))
}

// sleeper starts a process that waits for the test's end.
func sleeper(t *testing.T, env ...string) *os.Process {
	t.Helper()
	cmd := exec.Command("cat")
	cmd.Env = env
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Skip("no process to look at: ", err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	return cmd.Process
}
