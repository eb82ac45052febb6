package agefile

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"purser/internal/credential"
)

func TestAFailedWriteLeavesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.MkdirAll(filepath.Join(path, "in it"), 0o700); err != nil { // a file cannot replace a folder with content
		t.Fatal(err)
	}
	if err := writeWhole(path, []byte("text")); err == nil {
		t.Error("a folder was replaced")
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestAFailedWriteIsReportedAsUntouched(t *testing.T) {
	dir := t.TempDir()
	a := New(Config{Path: filepath.Join(dir, "ci.age.json"), Identity: filepath.Join(dir, "identity"), Now: time.Now})
	if err := a.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "ci.age.json.tmp", "in it"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := a.Stage(t.Context(), "purser-1", credential.NewSecret("dckr_pat_FAKE")); !credential.Untouched(err) {
		t.Errorf("Stage = %v", err)
	}
}
