//go:build unix && !aix && (!solaris || illumos)

package filelock

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"
)

const poll = 20 * time.Millisecond

// Lock waits for the lock of f and takes it. Closing f releases it, and so does the end of
// the process.
func Lock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := Try(f)
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

// Try takes the lock of f, or returns ErrHeld. Release it as with Lock.
func Try(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return ErrHeld
	}
	return err
}

// Free reports whether nobody holds the lock of f. Several may look at once.
func Free(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}
