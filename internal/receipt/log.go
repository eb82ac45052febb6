package receipt

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"purser/internal/filelock"
)

// LongestLine is the length in bytes of a line that is read; receipts are far shorter.
const LongestLine = 1 << 20

// chunk is how much of a file is read at once, from its end.
const chunk = 64 << 10

// lineStart is how every line of a log begins.
const lineStart = `{"payloadType":"` + PayloadType + `",`

var (
	// ErrOutside is in the error when a log is not where it has to be.
	ErrOutside = errors.New("the file is outside of the folder")
	errLink    = errors.New("a link is on the way to it")
	errSpecial = errors.New("it is not a regular file")
	errForeign = errors.New("it holds something other than receipts")
)

// Log is a file of receipts, one a line.
type Log struct {
	Path string
	// Folder is where Path has to be; no link is followed below it. "" allows any path.
	Folder string
}

// Check reports what would keep Append from writing, as far as that can be told
// without making the file.
func (l Log) Check() error {
	f, err := l.open(os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(l.Path))
		return err
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Append gives a receipt its place in the chain of its credential, signs it, and writes
// it behind the last one. It returns the line. The number is taken with the writing: a
// run that is stopped before leaves no gap. Two at once wait for each other.
func (l Log) Append(ctx context.Context, r Receipt, s Signer) (line []byte, err error) {
	f, err := l.open(os.O_RDWR | os.O_CREATE)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := filelock.Lock(ctx, f); err != nil {
		return nil, fmt.Errorf("wait for another purser that writes a receipt: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if r.Number, r.Previous, err = next(f, info.Size(), r.Credential); err != nil {
		return nil, err
	}
	if line, err = Seal(ctx, r, s); err != nil {
		return nil, err
	}
	return line, writeLine(f, info.Size(), line)
}

// open opens the log, which is a regular file that holds nothing but receipts.
func (l Log) open(flag int) (*os.File, error) {
	f, err := l.openAnywhere(flag | os.O_APPEND)
	if err != nil {
		return nil, err
	}
	if err := isLog(f); err != nil {
		_ = f.Close() // nothing was written
		return nil, fmt.Errorf("%s: %w", l.Path, err)
	}
	return f, nil
}

const mode = 0o600 // receipts name people and machines

func (l Log) openAnywhere(flag int) (*os.File, error) {
	if l.Folder == "" {
		if info, err := os.Stat(l.Path); err == nil && !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s: %w", l.Path, errSpecial) // opening a pipe would wait
		}
		return os.OpenFile(l.Path, flag, mode)
	}
	name, err := filepath.Rel(l.Folder, l.Path)
	if err != nil || !filepath.IsLocal(name) {
		return nil, fmt.Errorf("%s: %w %s", l.Path, ErrOutside, l.Folder)
	}
	folder, err := os.OpenRoot(l.Folder)
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }() // the file stays open
	if err := noLinks(folder, name); err != nil {
		return nil, fmt.Errorf("%s: %w", l.Path, err)
	}
	return folder.OpenFile(name, flag, mode)
}

// noLinks refuses links that stay inside of a folder; a Root refuses those that lead
// out of it, also while somebody changes them.
func noLinks(folder *os.Root, name string) error {
	for i := range len(name) + 1 {
		if i < len(name) && !os.IsPathSeparator(name[i]) {
			continue
		}
		info, err := folder.Lstat(name[:i])
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			return errLink
		case i == len(name) && !info.Mode().IsRegular():
			return errSpecial
		}
	}
	return nil
}

// isLog keeps receipts from being written into a file of another kind, whoever named it.
func isLog(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errSpecial
	}
	start := make([]byte, len(lineStart))
	n, err := f.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	// A first line that was cut off is the beginning of a receipt as well.
	first, _, _ := bytes.Cut(start[:n], []byte("\n"))
	if !strings.HasPrefix(lineStart, string(first)) {
		return errForeign
	}
	return nil
}

// next is the place in the chain of a credential behind its last receipt. What is no
// receipt, and what is not chained, is passed over.
func next(f io.ReaderAt, size int64, name string) (number int64, previous string, err error) {
	quoted, err := json.Marshal(name)
	if err != nil {
		return 0, "", err
	}
	mark := slices.Concat([]byte(`"credential":`), quoted, []byte(","))
	for line, err := range backwards(f, size) {
		if err != nil {
			return 0, "", err
		}
		if !payloadHas(line, mark) {
			continue
		}
		if r, err := Unverified(line); err == nil && r.Number > 0 && r.Credential == name {
			return r.Number + 1, Hash(line), nil
		}
	}
	return 1, "", nil
}

// payloadHas passes over lines faster than opening them does.
func payloadHas(line, part []byte) bool {
	_, payload, _ := bytes.Cut(line, []byte(`"payload":"`))
	payload, _, _ = bytes.Cut(payload, []byte(`"`))
	text, err := base64.StdEncoding.AppendDecode(nil, payload)
	return err == nil && bytes.Contains(text, part)
}

// backwards gives the lines of a file without their ends, the last first, and reads no
// more than it has to. A line longer than LongestLine is left out.
func backwards(f io.ReaderAt, size int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var rest []byte // the end of a line whose beginning has not been read
		tooLong := false
		for at := size; at > 0; {
			part := make([]byte, min(chunk, at), min(chunk, at)+int64(len(rest)))
			at -= int64(len(part))
			if _, err := f.ReadAt(part, at); err != nil {
				yield(nil, err)
				return
			}
			rest = append(part, rest...)
			for i := bytes.LastIndexByte(rest, '\n'); i >= 0; i = bytes.LastIndexByte(rest, '\n') {
				if line := rest[i+1:]; !tooLong && len(line) <= LongestLine && !yield(line, nil) {
					return
				}
				rest, tooLong = rest[:i], false
			}
			if len(rest) > LongestLine {
				rest, tooLong = nil, true
			}
		}
		if !tooLong {
			yield(rest, nil)
		}
	}
}

// appending is a file that is open for appending.
type appending interface {
	io.ReaderAt
	io.Writer
	Sync() error
	Truncate(size int64) error
}

// writeLine adds a line to a file of that size, on a line of its own, in one write. Of
// a line that the disk has no room for, nothing stays; where that cannot be helped,
// the part is a line that Open refuses.
func writeLine(f appending, size int64, line []byte) error {
	text := append(bytes.Clone(line), '\n')
	if size > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' { // a line that was cut off stays by itself
			text = append([]byte{'\n'}, text...)
		}
	}
	_, err := f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = f.Truncate(size)
	}
	return err
}
