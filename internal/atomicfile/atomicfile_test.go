package atomicfile_test

import (
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"purser/internal/atomicfile"
)

func TestAFileIsReplacedWholeAndKeepsItsMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on Windows: skipped")
	}
	path := filepath.Join(t.TempDir(), "new", "file")
	if err := atomicfile.Write(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a new one: %v, %v", info, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.Write(path, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("a replaced one: %v, %v", info, err)
	}
	if raw, _ := os.ReadFile(path); string(raw) != "two" {
		t.Errorf("it holds %q", raw)
	}
}

func TestALinkStaysALink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(real, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Skip("no links here: skipped")
	}
	if err := atomicfile.Write(link, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if raw, _ := os.ReadFile(real); string(raw) != "two" {
		t.Errorf("the file holds %q", raw)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link: %v, %v", info, err)
	}
}

func TestReplaceReplacesALink(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real"), filepath.Join(dir, "link")
	if err := os.WriteFile(real, []byte("one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, link); err != nil {
		t.Skip("no links here: skipped")
	}
	for _, path := range []string{link, real} {
		if err := atomicfile.Replace(path, []byte("two "+path), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		if raw, _ := os.ReadFile(path); string(raw) != "two "+path {
			t.Errorf("%s holds %q", path, raw)
		}
		if raw, _ := os.ReadFile(real); path == link && string(raw) != "one" {
			t.Errorf("the file that the link led to holds %q", raw)
		}
	}
}

func TestAFailedWriteLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := atomicfile.Write(dir, []byte("x"), 0o600); err == nil {
		t.Error("a folder was replaced")
	}
	if err := atomicfile.Write(filepath.Join(os.DevNull, "x"), []byte("x"), 0o600); err == nil {
		t.Error("something below a device was written")
	}
	beside, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(beside) != 1 {
		t.Errorf("left %v, %v", beside, err)
	}
}

func TestOneOfTwoConcurrentWritersWins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	var all sync.WaitGroup
	for _, text := range []string{"aaaaaaaa", "bbbbbbbb"} {
		all.Go(func() {
			for range 50 {
				if err := atomicfile.Write(path, []byte(text), 0o600); err != nil {
					t.Error(err)
				}
				raw, err := os.ReadFile(path)
				if err != nil && runtime.GOOS == "windows" {
					continue // where nobody opens a file that is being replaced
				}
				if string(raw) != "aaaaaaaa" && string(raw) != "bbbbbbbb" {
					t.Errorf("it holds %q, %v", raw, err)
				}
			}
		})
	}
	all.Wait()
}
