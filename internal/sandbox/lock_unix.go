//go:build unix && !aix && (!solaris || illumos)

package sandbox

import (
	"errors"
	"os"
	"syscall"
)

// lockFolder takes a lock that the system releases when the process ends, however it ends.
func lockFolder(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // in the folder that the person names
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrDataInUse
		}
		return nil, err
	}
	return func() { _ = f.Close() }, nil
}
