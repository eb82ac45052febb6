// Package atomicfile replaces whole files: readers find the old text or the new one, even
// if the writer is killed, and of two concurrent writers one wins.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write creates or replaces a file. An existing file keeps its mode; a new one gets mode, and
// missing folders are created for their owner only. The text is first written beside the
// file, readable by its owner only. A link to the file stays a link.
func Write(path string, text []byte, mode os.FileMode) error {
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return Replace(path, text, mode)
}

// Replace is Write for a file that only purser chooses: it always sets the mode, and replaces
// a link.
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
		err = Rename(next.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(next.Name())))
	}
	return nil
}
