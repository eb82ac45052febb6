// Package filelock lets one process at a time work on a file. The lock is advisory: it
// restrains only those who ask for it.
package filelock

import (
	"context"
	"errors"
	"os"
	"time"
)

// ErrHeld means that another process holds the lock.
var ErrHeld = errors.New("another process holds the lock")

const poll = 20 * time.Millisecond

// Lock waits for the lock of f and takes it. Closing f releases it, and so does the end of
// the process. It does nothing on a system without locks.
func Lock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := Try(f)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil
		}
		if !errors.Is(err, ErrHeld) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Try takes the lock of f, or returns ErrHeld. Release it as with Lock. On a system without
// locks, the error is errors.ErrUnsupported.
func Try(f *os.File) error { return take(f, true) }

// Free reports whether nobody holds the lock of f. Several may look at once, and whoever
// looks holds off Try until it closes f.
func Free(f *os.File) bool { return take(f, false) == nil }
