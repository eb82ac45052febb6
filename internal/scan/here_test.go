package scan_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"purser/internal/scan"
)

// TestTheOldWayIsFound leaves a token as people did before: docker login, an argument, a
// variable, an agent's transcript.
func TestTheOldWayIsFound(t *testing.T) {
	home, proc := filepath.Join(t.TempDir(), "a [home]"), t.TempDir()
	m := scan.Machine{Home: home, Config: filepath.Join(home, ".config"), Data: filepath.Join(home, ".local/share"), Runtime: filepath.Join(home, "run"), Proc: proc}
	for path, text := range map[string]string{
		".docker/config.json":                   `{"auths":{"https://index.docker.io/v1/":{"auth":"` + auth(token) + `"}}}`,
		"run/containers/auth.json":              `{"auths":{"docker.io":{"auth":"` + auth(token) + `"}}}`,
		".bash_history":                         "ls\ndocker login -u mockserver -p " + token + "\n",
		".aws/cli/cache/x.json":                 `{"SecretString":"{\"token\":\"` + token + `\"}"}`,
		".claude/projects/p/session.jsonl":      `{"content":"the token is ` + token + `"}` + "\n",
		".codex/sessions/2026/11/rollout.jsonl": `{"output":"` + token + `"}`,
		".vim/swap/%etc%x.swp":                  "b0VIM\x00\x00" + token + "\x00",
		".config/helm/registry/config.json":     `{"auths":{"ghcr.io":{"auth":"` + auth(token) + `"}}}`,
		"Documents/elsewhere.txt":               token,
	} {
		write(t, filepath.Join(home, path), text)
	}
	write(t, filepath.Join(proc, "4711/comm"), "docker\n")
	write(t, filepath.Join(proc, "4711/environ"), "PATH=/bin\x00DOCKER_TOKEN="+token+"\x00")
	write(t, filepath.Join(proc, "4711/cmdline"), "docker\x00login\x00-p\x00"+token+"\x00")
	write(t, filepath.Join(proc, "self/environ"), token) // another name of a process
	s, r := scanner(value("dockerhub", token))
	if err := s.Here(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	slices.Sort(r.found)
	for i, f := range r.found {
		r.found[i] = strings.TrimPrefix(f, home+"/")
	}
	slices.Sort(r.found)
	want := []string{
		".aws/cli/cache/x.json:1 dockerhub as it is",
		".bash_history:2 dockerhub as it is",
		".claude/projects/p/session.jsonl:1 dockerhub as it is",
		".codex/sessions/2026/11/rollout.jsonl:1 dockerhub as it is",
		".config/helm/registry/config.json:1 dockerhub in base64",
		".docker/config.json:1 dockerhub in base64",
		".vim/swap/%etc%x.swp:1 dockerhub as it is",
		"argument 3:0 dockerhub as it is",
		"environment variable DOCKER_TOKEN:0 dockerhub as it is",
		"run/containers/auth.json:1 dockerhub in base64",
	}
	if !slices.Equal(r.found, want) || len(r.missed) > 0 {
		t.Errorf("found %q\nwant %q\nmissed %q", r.found, want, r.missed)
	}
}

// TestOwnProcessesAreLookedThrough reads what the kernel really shows.
func TestOwnProcessesAreLookedThrough(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("the kernel shows no processes in /proc")
	}
	cmd := sleeper(t, "DOCKER_TOKEN="+token)
	s, r := scanner(value("dockerhub", token))
	var ids []string
	s.Found = func(f scan.Finding) { ids = append(ids, strconv.Itoa(f.Where.Process)) }
	if err := s.Here(context.Background(), scan.Machine{Proc: "/proc"}); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(ids, strconv.Itoa(cmd.Pid)) || len(r.missed) > 0 {
		t.Errorf("found in processes %q, not in %d; missed %q", ids, cmd.Pid, r.missed)
	}
}

func TestEveryKnownPlaceHasASource(t *testing.T) {
	for _, known := range scan.KnownPlaces {
		if known.What == "" || known.Source == "" || len(known.Paths) == 0 {
			t.Errorf("%+v", known)
		}
		for _, path := range known.Paths {
			if _, err := filepath.Match(path, ""); err != nil || strings.Contains(path, "..") {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}
