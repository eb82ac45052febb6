//go:build unix

package fileaccess_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/fileaccess"
)

func TestModesSayWhoMayUseAFile(t *testing.T) {
	for _, c := range []struct {
		mode          fs.FileMode
		folder        bool
		writes, reads bool
	}{
		{mode: 0o600}, {mode: 0o644, reads: true}, {mode: 0o610, reads: true}, {mode: 0o620, writes: true, reads: true}, {mode: 0o602, writes: true, reads: true},
		{mode: 0o700, folder: true}, {mode: 0o755, folder: true, reads: true}, {mode: 0o777, folder: true, writes: true, reads: true},
		{mode: 0o777 | fs.ModeSticky, folder: true, reads: true},
	} {
		path := filepath.Join(t.TempDir(), "x")
		err := os.WriteFile(path, nil, 0o600)
		if c.folder {
			_ = os.Remove(path)
			err = os.Mkdir(path, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if how := fileaccess.Writers(path, info, false); (how != "") != c.writes {
			t.Errorf("%v: others write: %q", info.Mode(), how)
		}
		if forbid := fileaccess.Readers(path, info); (forbid != "") != c.reads {
			t.Errorf("%v: others read: %q", info.Mode(), forbid)
		}
	}
}

func TestAnotherUsersFileIsNotTrusted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const somebody = 54321
	if err := os.Chown(path, somebody, -1); err != nil {
		t.Skipf("giving files away takes root: %v: skipped", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if how := fileaccess.Writers(path, info, false); !strings.Contains(how, "belongs to another user") {
		t.Error(how)
	}
}
