// Package atomicfile replaces files whole: who reads finds the old text or the
// new one, also when the writer is killed in between, and two writers at once
// leave one of the two.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write makes a file or replaces it. One that is there keeps its mode; a new one
// gets mode, and folders on the way to it are made for their owner alone. The
// text is first written beside it, readable by its owner only. Where a link leads
// to the file, the link stays.
func Write(path string, text []byte, mode os.FileMode) error {
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return Replace(path, text, mode)
}

// Replace is Write for a file that nobody else chooses: it gets the mode in any case,
// and takes the place of a link.
func Replace(path string, text []byte, mode os.FileMode) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	next, err := os.CreateTemp(dir, ".purser-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = next.Write(text)
	if err = errors.Join(err, next.Sync(), next.Chmod(mode), next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(next.Name())))
	}
	return nil
}
