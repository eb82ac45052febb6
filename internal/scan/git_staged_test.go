package scan_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"purser/internal/scan"
)

// staged scans what is staged.
func (c *checkout) staged(index string) *results {
	c.t.Helper()
	s, r := scanner(value("dockerhub", token))
	if err := s.Staged(context.Background(), c.dir, index); err != nil {
		c.t.Fatal(err)
	}
	return r
}

func TestWhatIsStagedIsLookedThrough(t *testing.T) {
	c := repo(t)
	c.staged("").want(t) // no index yet
	write(t, filepath.Join(c.dir, "first/.env"), line2)
	c.git("add", ".")
	first := c.dir + "/first/.env:2 dockerhub as it is"
	c.staged("").want(t, first) // no commit yet
	c.save("too late")
	c.staged("").want(t) // it is no part of the next commit

	write(t, filepath.Join(c.dir, "unstaged"), line2)
	write(t, filepath.Join(c.dir, "later"), line2)
	c.git("add", "later")
	write(t, filepath.Join(c.dir, "later"), "clean")
	write(t, filepath.Join(c.dir, "copy"), line2)
	c.git("add", "copy")
	write(t, filepath.Join(c.dir, token), "")
	c.git("add", token)
	c.git("rm", "-q", "first/.env")
	c.git("update-index", "--split-index")
	want := []string{c.dir + "/later:2 dockerhub as it is", c.dir + "/copy:2 dockerhub as it is", c.dir + "/dckr_pat_[redacted]:0 dockerhub as it is"}
	c.staged("").want(t, want...)

	index := filepath.Join(c.dir, ".git", "other")
	c.git("update-index", "--no-split-index")
	if err := os.Rename(filepath.Join(c.dir, ".git/index"), index); err != nil {
		t.Fatal(err)
	}
	c.staged(index).want(t, want...)

	tree := &checkout{t: t, dir: filepath.Join(t.TempDir(), "tree")}
	c.git("worktree", "add", "-q", tree.dir)
	write(t, filepath.Join(tree.dir, "a"), line2)
	tree.git("add", "a")
	tree.staged("").want(t, tree.dir+"/a:2 dockerhub as it is")
}

func TestTheContentOfAStagedPointerIsLookedThrough(t *testing.T) {
	c := repo(t)
	here, gone := strings.Repeat("a", 64), strings.Repeat("b", 64)
	for name, oid := range map[string]string{"here": here, "gone": gone} {
		write(t, filepath.Join(c.dir, name), "version https://git-lfs.github.com/spec/v1\noid sha256:"+oid+"\nsize 12\n")
	}
	c.git("add", ".")
	write(t, filepath.Join(c.dir, ".git/lfs/objects/aa/aa", here), line2)
	r := c.staged("")
	if len(r.found) != 1 || r.found[0] != c.dir+"/here:2 dockerhub as it is" {
		t.Errorf("found %q", r.found)
	}
	if len(r.missed) != 1 || !strings.Contains(r.missed[0], "1 file that this clone does not have") {
		t.Errorf("missed %q", r.missed)
	}
}

func TestAHookIsInstalledOnceAndReplacesNone(t *testing.T) {
	ctx := context.Background()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	c := repo(t)
	sub := filepath.Join(c.dir, "sub")
	write(t, filepath.Join(sub, "a"), "clean")
	path, err := scan.InstallHook(ctx, sub)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o100 == 0 || !strings.HasSuffix(path, ".git/hooks/pre-commit") {
		t.Errorf("%s: %v, %v", path, info, err)
	}
	if again, err := scan.InstallHook(ctx, c.dir); err != nil || again != path {
		t.Errorf("again: %s, %v", again, err)
	}

	// It runs purser, and without purser it stops the commit.
	bin := t.TempDir()
	for name, want := range map[string]string{"": "purser is not installed", "#!/bin/sh\necho ran $*; exit 3\n": "ran scan --staged"} {
		if name != "" {
			write(t, filepath.Join(bin, "purser"), name)
			if err := os.Chmod(filepath.Join(bin, "purser"), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "/bin/sh", path)
		cmd.Env = []string{"PATH=" + bin}
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v: %s", err, out)
		}
	}

	write(t, path, "#!/bin/sh\nmake lint\n")
	if _, err := scan.InstallHook(ctx, c.dir); err == nil || !strings.Contains(err.Error(), "add this line to it: purser scan --staged || exit 1") {
		t.Errorf("over a hook: %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "#!/bin/sh\nmake lint\n" {
		t.Errorf("the hook is %q, %v", text, err)
	}

	c.git("config", "core.hooksPath", ".husky")
	if path, err := scan.InstallHook(ctx, sub); err != nil || !strings.HasSuffix(path, "/repo/.husky/pre-commit") {
		t.Errorf("%s, %v", path, err)
	}
	c.git("config", "core.hooksPath", t.TempDir())
	if _, err := scan.InstallHook(ctx, c.dir); err == nil || !strings.Contains(err.Error(), "all your repositories") {
		t.Errorf("outside: %v", err)
	}
	if _, err := scan.InstallHook(ctx, t.TempDir()); err == nil {
		t.Error("no checkout, and no error")
	}
}

func TestTheEntryForPreCommitRunsTheHook(t *testing.T) {
	text, err := os.ReadFile("../../.pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var hooks []struct {
		ID, Name, Entry, Language string
		PassFilenames             bool `yaml:"pass_filenames"`
	}
	if err := yaml.Unmarshal(text, &hooks); err != nil {
		t.Fatal(err)
	}
	if len(hooks) != 1 || hooks[0].Entry != scan.Hook || hooks[0].PassFilenames || hooks[0].ID == "" || hooks[0].Name == "" || hooks[0].Language == "" {
		t.Errorf("%+v", hooks)
	}
}
