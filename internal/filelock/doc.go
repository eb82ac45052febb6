// Package filelock lets one process at a time work on a file. The lock is advisory: it
// restrains only those who ask for it.
package filelock

import "errors"

// ErrHeld means that another process holds the lock.
var ErrHeld = errors.New("another process holds the lock")
