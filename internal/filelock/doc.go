// Package filelock lets one process at a time work on a file. The lock is advisory:
// it holds back only those who ask for it.
package filelock

import "errors"

// ErrHeld says that somebody else has a lock.
var ErrHeld = errors.New("somebody else has the lock")
