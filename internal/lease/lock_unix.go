//go:build unix && !aix && (!solaris || illumos)

package lease

import (
	"os"
	"syscall"
)

// create makes a file with a text, which is locked before anything is written to it.
func create(path, text string) (*os.File, error) {
	const private = 0o600
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, private) //nolint:gosec // a version's id in a folder of our own
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		_, err = file.WriteString(text)
	}
	if err != nil {
		_ = os.Remove(path)
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// free reports whether nobody holds the lock. Many may look at once.
func free(file *os.File) bool {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil
}
