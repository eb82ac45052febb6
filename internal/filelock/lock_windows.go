package filelock

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// place is a byte behind every file's end. Windows lets nobody else read a locked byte.
var place = windows.Overlapped{OffsetHigh: 1 << 30}

func take(f *os.File, alone bool) error {
	how := uint32(windows.LOCKFILE_FAIL_IMMEDIATELY)
	if alone {
		how |= windows.LOCKFILE_EXCLUSIVE_LOCK
	}
	at := place
	err := windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &at)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrHeld
	}
	return err
}
