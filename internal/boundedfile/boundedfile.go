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

// Read reads a regular file of at most limit bytes. The error is an *fs.PathError.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	if info, err := f.Stat(); err == nil && info.Size() > limit {
		return nil, tooLarge(path, limit)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit { // it grows, or its size is not known, as in /proc
		return nil, tooLarge(path, limit)
	}
	return text, err
}

// Open opens a regular file to read. What is something else is not even opened: to
// open a FIFO waits, and to open a device may set it off.
func Open(path string) (*os.File, error) {
	if err := Check(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // to open what somebody else names is its purpose
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = regular(path, info) // it may have been replaced in between
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}

// Check reports whether a path leads to a regular file, for files that a library
// opens itself.
func Check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return regular(path, info)
}

func regular(path string, info fs.FileInfo) error {
	what := ""
	null, _ := os.Stat(os.DevNull) // without one, nothing is the same
	switch mode := info.Mode(); {
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
