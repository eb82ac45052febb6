//go:build unix && !aix && (!solaris || illumos)

package filelock_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"purser/internal/filelock"
)

func TestOneHasTheLockUntilItCloses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
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
