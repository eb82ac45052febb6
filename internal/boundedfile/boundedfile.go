// Package boundedfile reads files whose path comes from others: a configuration, a flag, a
// checkout. The path may name a FIFO that nobody writes to, an endless device, or a file that
// exceeds memory; it reads none of these.
package boundedfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Named is a limit in bytes far above any file that a person names.
const Named = 4 << 20

// Read reads a regular file of at most limit bytes. The error is an *fs.PathError.
func Read(path string, limit int64) ([]byte, error) {
	// Do not even open anything else: opening a FIFO blocks, and opening a device may
	// trigger it.
	if err := Check(path, limit); err != nil {
		return nil, err
	}
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // nothing was written
	info, err := f.Stat()
	if err == nil {
		err = check(path, info, limit) // the file may have been replaced
	}
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit { // it grows, or has no known size, as in /proc
		return nil, tooLarge(path, limit)
	}
	return text, err
}

// Check reports whether Read would read a file, for callers whose library reads it.
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
	case mode.IsRegular(), os.SameFile(info, null): // people use it as an empty file
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
