//go:build linux || darwin || freebsd

package scan

import (
	"errors"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

func hasHoles(info fs.FileInfo) bool {
	const block = 512
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && stat.Blocks*block < info.Size()
}

// nextData returns where the next data of a file begins and ends.
func nextData(f *os.File, at, size int64) (from, to int64) {
	fd := int(f.Fd())
	from, err := unix.Seek(fd, at, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) {
		return size, size
	}
	if err == nil {
		to, err = unix.Seek(fd, from, unix.SEEK_HOLE)
	}
	if err != nil {
		return at, size // the file system does not know
	}
	return from, to
}
