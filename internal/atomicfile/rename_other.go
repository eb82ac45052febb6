//go:build !windows

package atomicfile

import "os"

// Rename replaces a file by another one in one step.
func Rename(from, to string) error { return os.Rename(from, to) }
