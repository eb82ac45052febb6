package scan

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// pipeSize is what Linux lets everybody have.
const pipeSize = 1 << 20

// widen lets git write more before it has to wait for us.
func widen(out io.Reader) {
	if f, ok := out.(*os.File); ok {
		if c, err := f.SyscallConn(); err == nil {
			_ = c.Control(func(fd uintptr) { _, _ = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
		}
	}
}
