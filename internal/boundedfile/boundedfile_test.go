package boundedfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/boundedfile"
)

func TestAFileIsReadUpToItsLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := boundedfile.Read(path, 5); err != nil || string(text) != "12345" {
		t.Errorf("read %q, %v", text, err)
	}
	if text, err := boundedfile.Read(path, 4); err == nil || !strings.Contains(err.Error(), "it is larger than") {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestALinkToAFileIsRead(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "file"), []byte("text"), 0o600), os.Symlink("file", filepath.Join(dir, "link"))); err != nil {
		t.Skip("no links here: skipped")
	}
	if text, err := boundedfile.Read(filepath.Join(dir, "link"), 10); err != nil || string(text) != "text" {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestAFolderIsNotRead(t *testing.T) {
	if _, err := boundedfile.Read(t.TempDir(), 10); err == nil || !strings.Contains(err.Error(), "it is a folder, not a file") {
		t.Error(err)
	}
}

func TestTheNullDeviceIsAnEmptyFile(t *testing.T) {
	if text, err := boundedfile.Read(os.DevNull, 10); err != nil || len(text) != 0 {
		t.Errorf("read %q, %v", text, err)
	}
}

func TestAMissingFileIsReportedAsSuch(t *testing.T) {
	if _, err := boundedfile.Read(filepath.Join(t.TempDir(), "file"), 10); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
