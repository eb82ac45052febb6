package scan_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/scan"
)

// hostile makes the configuration of a repository name programs wherever git knows how to run
// one. Each would leave a file behind.
func (c *checkout) hostile() (canaries string) {
	c.t.Helper()
	canaries = c.t.TempDir()
	program := filepath.Join(c.t.TempDir(), "program")
	write(c.t, program, "#!/bin/sh\n: >"+canaries+"/$$\n")
	if err := os.Chmod(program, 0o700); err != nil {
		c.t.Fatal(err)
	}
	included := filepath.Join(c.t.TempDir(), "included")
	write(c.t, included, "[core]\n\tfsmonitor = "+program+"\n[log]\n\tshowSignature = true\n")
	text := "[core]\n\trepositoryformatversion = 1\n\tfsmonitor = P\n\tsshCommand = P\n\thooksPath = H\n\teditor = P\n\tpager = P\n\tattributesFile = A\n\talternateRefsCommand = P\n\taskPass = P\n\tgitProxy = P\n" +
		"[extensions]\n\tpartialClone = evil\n[remote \"evil\"]\n\turl = ext::P\n\tpromisor = true\n\tpartialclonefilter = blob:none\n\tuploadpack = P\n[protocol \"ext\"]\n\tallow = always\n" +
		"[diff \"x\"]\n\ttextconv = P\n\tcommand = P\n[diff]\n\texternal = P\n[filter \"x\"]\n\tclean = P\n\tsmudge = P\n\tprocess = P\n\trequired = true\n[merge \"x\"]\n\tdriver = P\n" +
		"[gpg]\n\tprogram = P\n[log]\n\tshowSignature = true\n[credential]\n\thelper = P\n[alias]\n\tcat-file = !P\n\tlog = !P\n\tdiff-index = !P\n[pager]\n\tlog = P\n\tcat-file = P\n" +
		"[include]\n\tpath = I\n[includeIf \"gitdir:/**\"]\n\tpath = I\n[uploadpack]\n\tpackObjectsHook = P\n[trace2]\n\teventTarget = " + canaries + "/trace\n"
	hooks := c.t.TempDir()
	attributes := filepath.Join(c.t.TempDir(), "attributes")
	write(c.t, attributes, "* diff=x filter=x merge=x\n")
	write(c.t, filepath.Join(c.dir, ".gitattributes"), "* diff=x filter=x merge=x\n")
	write(c.t, filepath.Join(c.dir, ".git/info/attributes"), "* diff=x filter=x merge=x\n")
	hook, err := os.ReadFile(program)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, dir := range []string{hooks, filepath.Join(c.dir, ".git/hooks")} {
		for _, name := range []string{"pre-commit", "post-checkout", "post-index-change", "reference-transaction", "fsmonitor-watchman", "pre-auto-gc"} {
			write(c.t, filepath.Join(dir, name), string(hook))
			if err := os.Chmod(filepath.Join(dir, name), 0o700); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	write(c.t, filepath.Join(c.dir, ".git/config"), strings.NewReplacer("= P", "= "+program, "::P", "::"+program, "!P", "!"+program, "= H", "= "+hooks, "= A", "= "+attributes, "= I", "= "+included).Replace(text))
	return canaries
}

func TestNothingRunsThatARepositoryNames(t *testing.T) {
	c := repo(t)
	id := c.commit("a", line2)
	c.commit("a", "clean")
	write(t, filepath.Join(c.dir, "b"), line2)
	c.git("add", "b")
	// An object that git would fetch, if it could, through the remote that runs a program.
	gone := c.git("rev-parse", "HEAD:a")
	if err := os.Remove(filepath.Join(c.dir, ".git/objects", gone[:2], gone[2:])); err != nil {
		t.Fatal(err)
	}
	canaries := c.hostile()

	left := func() int {
		files, err := os.ReadDir(canaries)
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	s, r := scanner(value("dockerhub", token))
	r.git(s)
	if err := s.Files(context.Background(), c.dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Staged(context.Background(), c.dir, ""); err != nil {
		t.Fatal(err)
	}
	r.want(t, "b:2", "repo!a:2"+at(id, 1, "refs/heads/main"), "b:2 commit= day= by= ref=")
	if n := left(); n > 0 {
		t.Errorf("%d programs ran", n)
	}

	// The same configuration, for git as people run it: the test can fail.
	cmd := exec.CommandContext(t.Context(), "git", "status")
	cmd.Dir, cmd.Env = c.dir, []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH")}
	_ = cmd.Run()
	if left() == 0 {
		t.Error("git runs none of the programs either")
	}
}

func TestAPipeAmongObjectsDoesNotStopAScan(t *testing.T) {
	mkfifo, err := exec.LookPath("mkfifo")
	if err != nil {
		t.Skip("mkfifo is not installed")
	}
	for _, name := range []string{"info/alternates", "pack/pack-0.idx", "ab/0123", "../config", "../packed-refs", "../shallow", "../refs/heads/x", "../index"} {
		t.Run(name, func(t *testing.T) {
			c := repo(t)
			c.commit("a", line2)
			path := filepath.Join(c.dir, ".git/objects", name)
			_ = os.MkdirAll(filepath.Dir(path), 0o700)
			_ = os.Remove(path)
			if out, err := exec.CommandContext(t.Context(), mkfifo, path).CombinedOutput(); err != nil {
				t.Fatalf("%v %s", err, out)
			}
			r := look(t, c.dir)
			if len(r.missed) == 0 || !strings.Contains(strings.Join(r.missed, "\n"), filepath.Base(name)) && !strings.Contains(strings.Join(r.missed, "\n"), "its configuration: it is not a file") {
				t.Errorf("missed %q", r.missed)
			}
			s, _ := scanner(value("dockerhub", token))
			_ = s.Staged(context.Background(), c.dir, "")
		})
	}
}

func TestALeadToAnotherMachineOrNowhereIsSaid(t *testing.T) {
	for text, says := range map[string]string{
		"gitdir: ../nowhere\n": "its repository is not where it says",
		"gitdir: /\n":          "its repository is not where it says",
		"nothing\n":            "it names no repository",
		"":                     "it names no repository",
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, ".git"), text)
		if r := look(t, dir); len(r.missed) != 1 || !strings.Contains(r.missed[0], says) {
			t.Errorf("%q: missed %q", text, r.missed)
		}
	}
}

func TestNamesOfAnyLengthAreLookedThrough(t *testing.T) {
	c := repo(t)
	blob := c.in(c.dir, "hash-object", "-w", "--stdin")
	mktree := exec.CommandContext(t.Context(), "git", "mktree")
	mktree.Dir, mktree.Stdin = c.dir, strings.NewReader("100644 blob "+blob+"\t"+strings.Repeat("n", 300<<10)+"\n100644 blob "+blob+"\t"+token+"\n")
	tree, err := mktree.Output()
	if err != nil {
		t.Skip(err)
	}
	id := c.git("commit-tree", "-m", "long names", strings.TrimSpace(string(tree)))
	c.git("update-ref", "HEAD", id)
	look(t, c.dir).want(t, "repo!./"+at(id, 1, "refs/heads/main"))
}

func TestALinkToARepositoryIsSaid(t *testing.T) {
	c := repo(t)
	c.commit("a", "clean")
	real := filepath.Join(t.TempDir(), "real")
	if err := os.Rename(filepath.Join(c.dir, ".git"), real); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, filepath.Join(c.dir, ".git")); err != nil {
		t.Skip(err)
	}
	if r := look(t, c.dir); len(r.missed) != 1 || !strings.Contains(r.missed[0], "it is a link") {
		t.Errorf("missed %q", r.missed)
	}
}

func TestRepositoriesThatBorrowFromOneAnotherEnd(t *testing.T) {
	a, b := repo(t), repo(t)
	id := a.commit("a", line2)
	a.commit("a", "clean")
	for _, pair := range [][2]*checkout{{a, b}, {b, a}} {
		write(t, filepath.Join(pair[0].dir, ".git/objects/info/alternates"), "# comment\n"+pair[1].dir+"/.git/objects\n")
	}
	look(t, a.dir).want(t, "repo!a:2"+at(id, 1, "refs/heads/main"))
}

func TestAPackWithoutAnIndexIsSaid(t *testing.T) {
	c := repo(t)
	c.commit("a", line2)
	c.pack()
	pack := packOf(t, c.dir)
	if err := os.Remove(strings.TrimSuffix(pack, ".pack") + ".idx"); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(c.dir, ".git/objects/ab/tmp_obj_x"), "x")
	r := look(t, filepath.Join(c.dir, ".git"))
	if all := strings.Join(r.missed, "\n"); len(r.missed) != 2 || !strings.Contains(all, "git index-pack") || !strings.Contains(all, "left 1 file") {
		t.Errorf("missed %q", r.missed)
	}
}

func TestWithoutGitThatIsSaid(t *testing.T) {
	c := repo(t)
	c.commit("a", "clean")
	t.Setenv("PATH", t.TempDir()) // where it is not
	r := look(t, c.dir)
	if len(r.missed) != 1 || !strings.Contains(r.missed[0], "install git") {
		t.Errorf("missed %q", r.missed)
	}
}

// zeros reads as many zeros as it has left, and then a token.
type zeros struct {
	left int
	end  io.Reader
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return z.end.Read(p)
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	return n, nil
}

func TestAHugeFileInAHistoryNeedsLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes seconds")
	}
	c := repo(t)
	c.git("config", "core.compression", "1")
	hash := exec.CommandContext(t.Context(), "git", "hash-object", "-w", "--stdin")
	hash.Dir, hash.Stdin = c.dir, &zeros{300 << 20, strings.NewReader("\n" + token + "\n")}
	if out, err := hash.CombinedOutput(); err != nil {
		t.Skipf("%v\n%s", err, out)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r := look(t, c.dir)
	runtime.ReadMemStats(&after)
	r.want(t, "repo:2 commit= day= by= ref=no branch or tag: nothing leads to it")
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
		t.Errorf("took %d MB", took>>20)
	}
}

func TestManyFindingsAreBounded(t *testing.T) {
	c := repo(t)
	var in bytes.Buffer
	for i := range 10_500 {
		text := fmt.Sprintf("%d %s\n", i, token)
		fmt.Fprintf(&in, "blob\ndata %d\n%s\n", len(text), text)
	}
	load := exec.CommandContext(t.Context(), "git", "fast-import", "--quiet")
	load.Dir, load.Stdin = c.dir, &in
	if out, err := load.CombinedOutput(); err != nil {
		t.Skipf("%v\n%s", err, out)
	}
	s, _ := scanner(value("dockerhub", token))
	n := 0
	s.Found = func(f scan.Finding) { n += 1 + f.Versions }
	if err := s.Files(context.Background(), c.dir); err != nil {
		t.Fatal(err)
	}
	if n != 10_500 {
		t.Errorf("found %d", n)
	}
}

// stopper ends a scan while it searches an object.
type stopper struct{ stop func() }

func (s stopper) Detect([]byte, func(from, to int, rule string, token credential.Secret)) { s.stop() }

func TestAScanThatEndsLeavesNothing(t *testing.T) {
	c := repo(t)
	c.commit("a", line2)
	c.commit("a", "clean")
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	ctx, stop := context.WithCancel(context.Background())
	s, _ := scanner(value("dockerhub", token))
	opened := 0
	s.Forms = stopper{func() {
		if left, err := os.ReadDir(temp); err == nil && len(left) > 0 {
			opened++
			stop() // as Ctrl-C does
		}
	}}
	if err := s.Files(ctx, filepath.Join(c.dir, ".git")); err == nil || opened == 0 {
		t.Errorf("%v, %d", err, opened)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}
