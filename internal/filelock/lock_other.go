//go:build !unix || aix || (solaris && !illumos)

package filelock

import (
	"context"
	"errors"
	"os"
)

// Lock does nothing where the system has no flock.
func Lock(context.Context, *os.File) error { return nil }

// Try always fails where the system has no flock.
func Try(*os.File) error { return errors.ErrUnsupported }

// Free cannot tell there.
func Free(*os.File) bool { return false }
