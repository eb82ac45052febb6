//go:build unix && !aix && (!solaris || illumos)

package store

import (
	"context"
	"os"
	"syscall"
	"time"
)

// lockPoll is how often a lock that another process has is tried for.
const lockPoll = 20 * time.Millisecond

// lockFile takes a lock that the system gives back when the process ends, in
// whatever way it ends. The file is left there: removing it would let two
// processes lock two files of the same name.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // beside the file that it guards
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(lockPoll)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK {
			_ = f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}
