//go:build !windows

package atomicfile

import "os"

// Rename replaces a file by another one in one step, as rename(2) does.
func Rename(from, to string) error { return os.Rename(from, to) }
