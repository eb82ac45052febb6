//go:build windows || (unix && !aix && (!solaris || illumos))

package filelock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"purser/internal/filelock"
)

// opener opens one file again and again.
func opener(t *testing.T) func() *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	return func() *os.File {
		t.Helper()
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
}

func TestOneHasTheLockUntilItCloses(t *testing.T) {
	open := opener(t)
	first, second := open(), open()
	if err := filelock.Lock(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := filelock.Lock(ended, second); !errors.Is(err, context.Canceled) {
		t.Errorf("while it is held: %v", err)
	}
	waited := make(chan error)
	go func() { waited <- filelock.Lock(t.Context(), second) }()
	_ = first.Close()
	if err := <-waited; err != nil {
		t.Errorf("after it was closed: %v", err)
	}
}

func TestALockedFileIsReadAndWritten(t *testing.T) {
	open := opener(t)
	locked, other := open(), open()
	if err := filelock.Try(locked); err != nil {
		t.Fatal(err)
	}
	if err := filelock.Try(other); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("a second lock: %v", err)
	}
	if _, err := other.WriteString("text"); err != nil {
		t.Error(err)
	}
	text := make([]byte, 4)
	if n, err := locked.ReadAt(text, 0); err != nil || string(text[:n]) != "text" {
		t.Errorf("read %q, %v", text[:n], err)
	}
}

func TestSeveralMayLookAtOnce(t *testing.T) {
	open := opener(t)
	one, two, third := open(), open(), open()
	if !filelock.Free(one) || !filelock.Free(two) {
		t.Error("it is not free")
	}
	if err := filelock.Try(third); !errors.Is(err, filelock.ErrHeld) {
		t.Errorf("while others look: %v", err)
	}
	if err := errors.Join(one.Close(), two.Close(), filelock.Try(third)); err != nil {
		t.Error(err)
	}
	if filelock.Free(open()) {
		t.Error("it is free while it is held")
	}
}
