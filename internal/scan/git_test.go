package scan_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purser/internal/scan"
)

// checkout is a repository that a test makes with the git program.
type checkout struct {
	t   *testing.T
	dir string
	day int // of the next commit
}

func repo(t *testing.T, args ...string) *checkout {
	t.Helper()
	c := &checkout{t: t, dir: filepath.Join(t.TempDir(), "repo")}
	c.in(filepath.Dir(c.dir), append([]string{"init", "-q", "-b", "main", c.dir}, args...)...)
	return c
}

// git runs git in the checkout, and returns what it prints.
func (c *checkout) git(args ...string) string { c.t.Helper(); return c.in(c.dir, args...) }

func (c *checkout) in(dir string, args ...string) string {
	c.t.Helper()
	program, err := exec.LookPath("git")
	if err != nil {
		c.t.Skip("git is not installed")
	}
	cmd := exec.CommandContext(c.t.Context(), program, args...) // the test's own arguments
	date := fmt.Sprintf("2026-01-%02dT12:00:00+01:00", max(1, c.day))
	cmd.Dir, cmd.Env = dir, []string{
		"HOME=" + c.t.TempDir(), "PATH=" + os.Getenv("PATH"), "GIT_CONFIG_NOSYSTEM=1", "GIT_ALLOW_PROTOCOL=file",
		"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_AUTHOR_DATE=" + date,
		"GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com", "GIT_COMMITTER_DATE=" + date,
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %s: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit commits a file.
func (c *checkout) commit(name, text string) string {
	c.t.Helper()
	write(c.t, filepath.Join(c.dir, name), text)
	c.git("add", "-f", ".")
	return c.save("change " + filepath.Base(filepath.Dir(name)))
}

// save commits what is staged, a day after the commit before.
func (c *checkout) save(message string) string {
	c.t.Helper()
	c.day++
	c.git("commit", "-q", "--allow-empty", "-m", message)
	return c.git("rev-parse", "HEAD")
}

// pack packs all objects, and leaves no loose ones.
func (c *checkout) pack() { c.t.Helper(); c.git("repack", "-q", "-adf") }

// found are the lines of a scan: places in files, and of objects, with the commit and the ref.
func (r *results) git(s *scan.Scanner) {
	s.Found = func(f scan.Finding) {
		line := strings.Join(append([]string{filepath.Base(f.Where.Path)}, f.Where.Inside...), "!")
		if f.Where.Line > 0 {
			line += fmt.Sprintf(":%d", f.Where.Line)
		}
		if f.Where.Object != "" {
			line += fmt.Sprintf(" commit=%.7s day=%.10s by=%s ref=%s", f.Where.Commit, f.Where.Date, f.Where.Author, f.Where.Ref)
		}
		if f.Versions > 0 {
			line += fmt.Sprintf(" and %d more", f.Versions)
		}
		r.found = append(r.found, line)
	}
}

// look scans a folder for the token.
func look(t *testing.T, paths ...string) *results {
	t.Helper()
	s, r := scanner(value("dockerhub", token))
	r.git(s)
	if err := s.Files(context.Background(), paths...); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *results) want(t *testing.T, want ...string) {
	t.Helper()
	if got := slices.Sorted(slices.Values(r.found)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("found\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	for _, m := range r.missed {
		t.Errorf("missed %s", m)
	}
}

func at(commit string, day int, ref string) string {
	return fmt.Sprintf(" commit=%.7s day=2026-01-%02d by=Ann <ann@example.com> ref=%s", commit, day, ref)
}

const line2 = "first\nTOKEN=" + token + "\n"

func TestAHistoryIsLookedThrough(t *testing.T) {
	const head, lost = "refs/heads/main", "no branch or tag: nothing leads to it"
	reflog := "no branch or tag: only the reflog of HEAD"
	for name, test := range map[string]func(c *checkout) []string{
		"a file that a later commit removed": func(c *checkout) []string {
			id := c.commit("conf/.env", line2)
			c.git("rm", "-q", "conf/.env")
			c.save("remove it")
			return []string{"repo!conf/.env:2" + at(id, 1, head)}
		},
		"many versions of a file": func(c *checkout) []string {
			id := c.commit("conf/.env", line2)
			for i := range 5 {
				c.commit("conf/.env", line2+fmt.Sprint(i))
			}
			c.pack()
			c.commit("conf/.env", "clean")
			return []string{"repo!conf/.env:2" + at(id, 1, head) + " and 5 more"}
		},
		"packed with deltas": func(c *checkout) []string {
			big := strings.Repeat("a line that makes deltas worth it\n", 400)
			c.commit("a.txt", big)
			id := c.commit("a.txt", big+token)
			c.commit("a.txt", big+"clean")
			c.pack()
			return []string{"repo!a.txt:401" + at(id, 2, head)}
		},
		"only in the reflog": func(c *checkout) []string {
			c.commit("a", "clean")
			id := c.commit("b", line2)
			c.git("reset", "-q", "--hard", "HEAD~1")
			return []string{"repo!b:2" + at(id, 2, reflog)}
		},
		"a stash": func(c *checkout) []string {
			c.commit("a", "clean")
			write(c.t, filepath.Join(c.dir, "a"), line2)
			c.day++
			c.git("stash", "-q")
			return []string{"repo!a:2" + at(c.git("rev-parse", "stash"), 2, "refs/stash")}
		},
		"a dropped stash": func(c *checkout) []string {
			c.commit("a", "clean")
			write(c.t, filepath.Join(c.dir, "a"), line2)
			c.day++
			c.git("stash", "-q")
			id := c.git("rev-parse", "stash")
			c.git("stash", "drop", "-q")
			return []string{"repo!a:2" + at(id, 2, lost)}
		},
		"a deleted branch's pack": func(c *checkout) []string {
			c.commit("a", "clean")
			c.git("checkout", "-q", "-b", "old")
			id := c.commit("b", line2)
			c.pack()
			c.git("checkout", "-q", "main")
			c.git("branch", "-q", "-D", "old")
			c.git("reflog", "expire", "--expire=now", "--all")
			return []string{"repo!b:2" + at(id, 2, lost)}
		},
		"another branch": func(c *checkout) []string {
			c.commit("a", "clean")
			c.git("checkout", "-q", "-b", "other")
			id := c.commit("b", line2)
			c.git("checkout", "-q", "main")
			c.git("pack-refs", "--all")
			return []string{"repo!b:2" + at(id, 2, "refs/heads/other")}
		},
		"only a tag": func(c *checkout) []string {
			c.commit("a", "clean")
			c.git("checkout", "-q", "--detach")
			id := c.commit("b", line2)
			c.git("tag", "-a", "-m", "tagged", "v1")
			c.git("checkout", "-q", "main")
			return []string{"repo!b:2" + at(id, 2, "refs/tags/v1")}
		},
		"a HEAD without a branch": func(c *checkout) []string {
			c.commit("a", "clean")
			c.git("checkout", "-q", "--detach")
			id := c.commit("b", line2)
			c.git("rm", "-q", "b")
			c.save("remove it")
			return []string{"repo!b:2" + at(id, 2, "HEAD")}
		},
		"twice in a file": func(c *checkout) []string {
			id := c.commit("a", token+"\n\n"+token+"\n")
			c.commit("a", token+"\n\n"+token+"\nmore\n")
			c.commit("a", "clean")
			return []string{"repo!a:1" + at(id, 1, head) + " and 1 more", "repo!a:3" + at(id, 1, head)}
		},
		"only what a merge made": func(c *checkout) []string {
			c.commit("a", "1")
			c.git("checkout", "-q", "-b", "other")
			c.commit("a", "2")
			c.git("checkout", "-q", "main")
			c.commit("a", "3")
			c.git("merge", "-q", "-s", "ours", "--no-commit", "other")
			id := c.commit("a", line2)
			c.git("rm", "-q", "a")
			c.save("remove it")
			return []string{"repo!a:2" + at(id, 4, head)}
		},
		"a commit's message": func(c *checkout) []string {
			return []string{"repo" + at(c.save("oops\n\n"+token), 1, head), "COMMIT_EDITMSG:3"}
		},
		"a tag's message": func(c *checkout) []string {
			c.commit("a", "clean")
			c.git("tag", "-a", "-m", line2, "v1")
			return []string{"repo commit= day=2026-01-01 by=Ann <ann@example.com> ref=refs/tags/v1"}
		},
		"a note": func(c *checkout) []string {
			about := c.commit("a", "clean")
			c.day++
			c.git("notes", "add", "-m", line2)
			return []string{"repo!" + about + ":2" + at(c.git("rev-parse", "refs/notes/commits"), 2, "refs/notes/commits")}
		},
		"a file's name": func(c *checkout) []string {
			id := c.commit("conf/"+token+".txt", "clean")
			c.commit("conf/other", "clean")
			c.git("rm", "-q", "-r", "conf")
			c.save("remove it")
			return []string{"repo!conf/" + at(id, 1, head) + " and 1 more"}
		},
		"a branch's name": func(c *checkout) []string {
			c.commit("a", "clean")
			c.git("branch", token)
			c.git("pack-refs", "--all")
			return []string{"packed-refs:2", "dckr_pat_[redacted]"}
		},
		"staged and never committed": func(c *checkout) []string {
			c.commit("a", "clean")
			write(c.t, filepath.Join(c.dir, "b"), line2)
			c.git("add", "b")
			write(c.t, filepath.Join(c.dir, "b"), "clean")
			return []string{"repo!b:2 commit= day= by= ref=no commit: only the index"}
		},
		"no commit has it": func(c *checkout) []string {
			c.commit("a", "clean")
			write(c.t, filepath.Join(c.dir, "b"), line2)
			c.git("hash-object", "-w", "b")
			write(c.t, filepath.Join(c.dir, "b"), "clean")
			return []string{"repo:2 commit= day= by= ref=" + lost}
		},
		"a tag of a file": func(c *checkout) []string {
			c.commit("a", "clean")
			write(c.t, filepath.Join(c.dir, "b"), line2)
			c.git("tag", "file", c.git("hash-object", "-w", "b"))
			write(c.t, filepath.Join(c.dir, "b"), "clean")
			return []string{"repo:2 commit= day= by= ref=refs/tags/file"}
		},
		"the address of a remote": func(c *checkout) []string {
			c.git("remote", "add", "origin", "https://ann:"+token+"@git.example.com/a")
			return []string{"config:7"}
		},
		"SHA-256": func(c *checkout) []string {
			c.git("init", "-q", "--object-format=sha256", "-b", "main", c.dir+"/sub")
			sub := &checkout{t: c.t, dir: c.dir + "/sub"}
			id := sub.commit("conf/.env", line2)
			sub.pack()
			sub.commit("conf/.env", "clean")
			return []string{"sub!conf/.env:2" + at(id, 1, head)}
		},
		"names that are no text": func(c *checkout) []string {
			id := c.commit("a\x1b[31m\n\xff", line2)
			c.commit("a\x1b[31m\n\xff", "clean")
			return []string{`repo!a\x1b[31m �:2` + at(id, 1, head)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := repo(t)
			want := test(c)
			r := look(t, c.dir)
			r.want(t, want...)
		})
	}
}

func TestARepositoryIsFoundFromItsWorktreesAndSubmodules(t *testing.T) {
	c := repo(t)
	id := c.commit("a", line2)
	c.commit("a", "clean")
	tree := filepath.Join(t.TempDir(), "tree")
	c.git("worktree", "add", "-q", tree)
	want := "repo!a:2" + at(id, 1, "refs/heads/main")
	look(t, tree).want(t, want)
	look(t, tree, c.dir).want(t, want)

	outer := repo(t)
	outer.git("submodule", "-q", "add", c.dir, "sub")
	outer.save("add it")
	inModules := "sub!a:2" + at(id, 1, "refs/heads/main")
	look(t, outer.dir).want(t, inModules)
	look(t, filepath.Join(outer.dir, "sub")).want(t, inModules)
}

func TestABareRepositoryAndWhatItBorrowsAreLookedThrough(t *testing.T) {
	c := repo(t)
	id := c.commit("a", line2)
	c.commit("a", "clean")
	bare := filepath.Join(t.TempDir(), "bare.git")
	c.git("clone", "-q", "--bare", c.dir, bare)
	look(t, bare).want(t, "bare.git!a:2"+at(id, 1, "refs/heads/main"))

	borrows := filepath.Join(t.TempDir(), "borrows")
	c.git("clone", "-q", "--shared", c.dir, borrows)
	look(t, borrows).want(t, "borrows!a:2"+at(id, 1, "refs/heads/main"))

	if err := os.RemoveAll(c.dir); err != nil {
		t.Fatal(err)
	}
	if r := look(t, borrows); len(r.missed) != 1 || !strings.Contains(r.missed[0], "borrows borrows objects from it: no such file") {
		t.Errorf("missed %q", r.missed)
	}
}

func TestWhatACloneLacksIsSaid(t *testing.T) {
	c := repo(t)
	c.commit("a", line2)
	c.commit("a", "clean")
	c.git("config", "uploadpack.allowFilter", "true")
	pointer := func(n int) string {
		return "version https://git-lfs.github.com/spec/v1\noid sha256:" + strings.Repeat(fmt.Sprint(n), 64) + "\nsize 12345\n"
	}
	for name, test := range map[string]struct {
		make func(dir string)
		says string
	}{
		"shallow": {func(dir string) { c.git("clone", "-q", "--depth=1", "file://"+c.dir, dir) }, "git fetch --unshallow"},
		"partial": {func(dir string) { c.git("clone", "-q", "--filter=blob:none", "file://"+c.dir, dir) }, "clone it again without --filter"},
		"LFS": {func(dir string) {
			lfs := &checkout{t: t, dir: dir}
			c.git("init", "-q", dir)
			for i := range 5 {
				lfs.commit(fmt.Sprint(i), pointer(i))
			}
			write(t, filepath.Join(dir, ".git/lfs/objects/44/44", strings.Repeat("4", 64)), "the content of one is here")
		}, "git LFS keeps the content of 4 files that this clone does not have: run git lfs fetch --all"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "clone")
			test.make(dir)
			if r := look(t, dir); len(r.missed) != 1 || !strings.Contains(r.missed[0], test.says) || len(r.found) > 0 {
				t.Errorf("missed %q\nfound %q", r.missed, r.found)
			}
		})
	}
}

func TestWhatGitCannotReadIsSaidAndTheRestIsLookedThrough(t *testing.T) {
	flip := func(t *testing.T, path string, at func(size int) int) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_ = os.Chmod(path, 0o600)
		data[at(len(data))] ^= 0xff
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, harm := range map[string]func(t *testing.T, c *checkout, bad string){
		"a loose object, truncated": func(t *testing.T, c *checkout, bad string) {
			t.Helper()
			path := filepath.Join(c.dir, ".git/objects", bad[:2], bad[2:])
			_ = os.Chmod(path, 0o600)
			if err := os.Truncate(path, 40); err != nil {
				t.Fatal(err)
			}
		},
		"a loose object, flipped at its start": func(t *testing.T, c *checkout, bad string) {
			t.Helper()
			flip(t, filepath.Join(c.dir, ".git/objects", bad[:2], bad[2:]), func(int) int { return 0 })
		},
		"a pack, flipped": func(t *testing.T, c *checkout, bad string) {
			t.Helper()
			packed := c.in(c.dir, "verify-pack", "-v", packOf(t, c.dir))
			for line := range strings.Lines(packed) {
				if f := strings.Fields(line); len(f) > 4 && f[0] == bad {
					flip(t, packOf(t, c.dir), func(int) int { var at int; _, _ = fmt.Sscan(f[4], &at); return at + 40 })
				}
			}
		},
		"a pack, truncated": func(t *testing.T, c *checkout, _ string) {
			t.Helper()
			path := packOf(t, c.dir)
			_ = os.Chmod(path, 0o600)
			if err := os.Truncate(path, 200); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := repo(t)
			noise := make([]byte, 1<<12)
			for i := range noise {
				noise[i] = byte(i * i * 7 >> 3)
			}
			c.commit("bad", string(noise))
			bad := c.git("rev-parse", "HEAD:bad")
			if strings.HasPrefix(name, "a pack") {
				c.pack()
			}
			for i := range 20 {
				c.commit(fmt.Sprint("f", i), line2+fmt.Sprint(i))
			}
			c.git("rm", "-q", "-f", "f*")
			c.save("remove them")
			harm(t, c, bad)
			s, r := scanner(value("dockerhub", token))
			objects := 0
			s.Found = func(f scan.Finding) {
				if f.Where.Object != "" {
					objects += 1 + f.Versions
				}
			}
			if err := s.Files(context.Background(), c.dir); err != nil {
				t.Fatal(err)
			}
			if objects != 20 {
				t.Errorf("found %d of 20", objects)
			}
			if len(r.missed) != 1 || !strings.Contains(r.missed[0], "git could not read") || !strings.Contains(r.missed[0], "git fsck --full") {
				t.Errorf("missed %q", r.missed)
			}
		})
	}
}

func packOf(t *testing.T, dir string) string {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(dir, ".git/objects/pack/*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatal(packs, err)
	}
	return packs[0]
}
