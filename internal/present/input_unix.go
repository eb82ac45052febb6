//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package present

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// inputMoment is how long a program that pipes something in may take to begin.
const inputMoment = 300 * time.Millisecond

// inputOfPipe waits for the first byte, or the end.
func inputOfPipe(f *os.File) Waiting {
	raw, err := f.SyscallConn()
	if err != nil {
		return InputOpen
	}
	what := InputOpen
	_ = raw.Control(func(fd uintptr) { // without it, it stays open
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor is small
		if n, err := unix.Poll(polled, int(inputMoment/time.Millisecond)); err != nil || n == 0 {
			return
		}
		what = InputOver // at the end a pipe can be read as well: how much there is tells
		if n, err := unix.IoctlGetInt(int(fd), readable); err == nil && n > 0 {
			what = InputWaits
		}
	})
	return what
}
