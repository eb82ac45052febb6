//go:build !unix || aix || (solaris && !illumos)

package filelock

import (
	"context"
	"errors"
	"os"
)

// Lock does nothing where the system has no flock.
func Lock(context.Context, *os.File) error { return nil }

// Try cannot take a lock where the system has no flock.
func Try(*os.File) error { return errors.ErrUnsupported }

// Free does not know it there.
func Free(*os.File) bool { return false }
