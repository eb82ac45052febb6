// Package release tests how a release is made.
package release

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The test builds like .goreleaser.yaml in two clones, and asks the programs for their commit.
func TestTwoBuildsOfOneCommitAreTheSameBytes(t *testing.T) {
	head, err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").Output()
	if err != nil {
		t.Skip("this is not a git repository, so a build has no commit")
	}
	config, err := os.ReadFile("../../.goreleaser.yaml")
	if err != nil {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`(?m)^    flags: \[(.*)\]\n    ldflags: \['(.*)'\]$`).FindStringSubmatch(string(config))
	env := regexp.MustCompile(`(?m)^    env: \[(.*)\]$`).FindStringSubmatch(string(config))
	if flags == nil || env == nil {
		t.Fatal("the flags of .goreleaser.yaml were not found")
	}
	run := func(dir, name string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), strings.Split(env[1], ", ")...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, &stderr)
		}
		return out
	}
	top := strings.TrimSpace(string(run(".", "git", "rev-parse", "--show-toplevel")))
	var sums []string
	for _, folder := range []string{"one", "the other one"} {
		dir := filepath.Join(t.TempDir(), folder)
		run(".", "git", "clone", "--quiet", "--no-hardlinks", top, dir)
		sum := sha256.New()
		for _, program := range []string{"purser", "docker-credential-purser", "purser-lambda"} {
			run(dir, "go", "build", flags[1], "-ldflags="+flags[2], "-o", "bin/"+program, "./cmd/"+program)
			built, err := os.ReadFile(filepath.Join(dir, "bin", program))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = sum.Write(built)
		}
		sums = append(sums, string(sum.Sum(nil)))
		var said struct {
			Build struct {
				Version, Commit, Date string
				Clean                 bool
			}
		}
		if err := json.Unmarshal(run(dir, "bin/purser", "version", "--output", "json"), &said); err != nil {
			t.Fatal(err)
		}
		if b := said.Build; b.Commit != strings.TrimSpace(string(head)) || b.Date == "" || !b.Clean || !strings.HasPrefix(b.Version, "v") {
			t.Errorf("the build says that it is %+v", b)
		}
	}
	if sums[0] != sums[1] {
		t.Error("the same commit gave different bytes in another folder")
	}
}

// A release and the action must take the repository's address from deploy/home.
func TestTheHomeIsNamedInOnePlace(t *testing.T) {
	raw, err := os.ReadFile("../home")
	if err != nil {
		t.Fatal(err)
	}
	home := strings.TrimSpace(string(raw))
	if !regexp.MustCompile(`^https://[a-z0-9.]+/[^/]+/[^/]+$`).MatchString(home) {
		t.Fatalf("deploy/home has %q, not the address of a repository", home)
	}
	out, err := exec.CommandContext(t.Context(), "git", "grep", "-lF", strings.TrimPrefix(home, "https://"), "--", ":/").Output()
	if err != nil {
		t.Skip("this is not a git repository")
	}
	if got := strings.TrimSpace(string(out)); got != "../home" {
		t.Errorf("%s has the address; only deploy/home may", got)
	}
}

func TestAnUnsetHomePublishesNothing(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "./release.sh", "publish")
	cmd.Env = append(os.Environ(), "PURSER_HOME=https://github.com/SET-THE-"+"OWNER/purser")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "write the repository's address into deploy/home") {
		t.Errorf("%v\n%s", err, out)
	}
}
