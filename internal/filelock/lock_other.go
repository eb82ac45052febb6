//go:build (!unix && !windows) || aix || (solaris && !illumos)

package filelock

import (
	"errors"
	"os"
)

// take cannot lock on a system without flock.
func take(*os.File, bool) error { return errors.ErrUnsupported }
