//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package present

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// inputMoment gives a program on the other side of the pipe time to start writing.
const inputMoment = 300 * time.Millisecond

// inputOfPipe waits for the first byte or the end.
func inputOfPipe(f *os.File) Waiting {
	raw, err := f.SyscallConn()
	if err != nil {
		return InputOpen
	}
	what := InputOpen
	_ = raw.Control(func(fd uintptr) { // an error leaves InputOpen
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor is small
		if n, err := unix.Poll(polled, int(inputMoment/time.Millisecond)); err != nil || n == 0 {
			return
		}
		what = InputOver // poll also reports a pipe at its end; the count tells the difference
		if n, err := unix.IoctlGetInt(int(fd), readable); err == nil && n > 0 {
			what = InputWaits
		}
	})
	return what
}
