// Package boundedfile reads files whose path comes from somebody else: a
// configuration, a flag, a checkout. A path may lead to a FIFO that nobody writes to,
// to a device without end, or to a file that does not fit into memory; none of them
// is read.
package boundedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Named is a limit far above any file that a person names, in bytes.
const Named = 4 << 20

// Read reads a regular file of at most limit bytes. The error is an *fs.PathError.
func Read(path string, limit int64) ([]byte, error) {
	// What is no file is not even opened: to open a FIFO waits, and to open a device may
	// set it off.
	if err := Check(path, limit); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // to open what somebody else names is its purpose
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err == nil {
		err = check(path, info, limit) // it may have been replaced in between
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit { // it grows, or its size is not known, as in /proc
		return nil, tooLarge(path, limit)
	}
	return text, err
}

// Check reports whether Read would read a file, for those that a library reads itself.
func Check(path string, limit int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return check(path, info, limit)
}

func check(path string, info fs.FileInfo, limit int64) error {
	what := ""
	null, _ := os.Stat(os.DevNull) // without one, nothing is the same
	switch mode := info.Mode(); {
	case mode.IsRegular() && info.Size() > limit:
		return tooLarge(path, limit)
	case mode.IsRegular(), os.SameFile(info, null): // people name that for an empty file
		return nil
	case mode.IsDir():
		what = "folder"
	case mode&fs.ModeNamedPipe != 0:
		what = "FIFO"
	case mode&fs.ModeSocket != 0:
		what = "socket"
	default:
		what = "device"
	}
	return &fs.PathError{Op: "read", Path: path, Err: errors.New("it is a " + what + ", not a file")}
}

func tooLarge(path string, limit int64) error {
	size := fmt.Sprintf("%d KiB", limit>>10)
	if limit >= 1<<20 {
		size = fmt.Sprintf("%d MiB", limit>>20)
	}
	return &fs.PathError{Op: "read", Path: path, Err: errors.New("it is larger than " + size)}
}
