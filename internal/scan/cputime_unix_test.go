//go:build unix

package scan_test

import (
	"syscall"
	"time"
)

// cpuTime returns what this process has computed, however busy the machine is.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
