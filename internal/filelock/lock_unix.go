//go:build unix && !aix && (!solaris || illumos)

package filelock

import (
	"context"
	"os"
	"syscall"
	"time"
)

// poll is how often Lock tries for a lock that somebody else has.
const poll = 20 * time.Millisecond

// Lock waits until nobody else has the lock of f, and takes it. Closing f gives it
// back, and so does the end of the process.
func Lock(ctx context.Context, f *os.File) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != syscall.EWOULDBLOCK {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
