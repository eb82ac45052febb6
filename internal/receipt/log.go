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

// LongestLine bounds a line that is read, in bytes; receipts are far shorter.
const LongestLine = 1 << 20

const chunk = 64 << 10

// lineStart begins every line of a log.
const lineStart = `{"payloadType":"` + PayloadType + `",`

var (
	// ErrOutside is in the error chain when a log is outside its folder.
	ErrOutside = errors.New("the file is outside the folder")
	errLink    = errors.New("its path contains a link")
	errSpecial = errors.New("it is not a regular file")
	errForeign = errors.New("it contains something other than receipts")
)

// Log is a file of receipts, one per line.
type Log struct {
	Path string
	// Folder must contain Path, and no link is followed below it. "" allows any path.
	Folder string
}

// Check reports what would keep Append from writing, as far as it can without creating the
// file.
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

// Append numbers a receipt in its credential's chain, signs it, appends it and returns the
// line. It takes the number under the file's lock, as it writes: a run that stops earlier
// leaves no gap, and concurrent runs wait for each other.
func (l Log) Append(ctx context.Context, r Receipt, s Signer) (line []byte, err error) {
	f, err := l.open(os.O_RDWR | os.O_CREATE)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := filelock.Lock(ctx, f); err != nil {
		return nil, fmt.Errorf("wait for another purser to write a receipt: %w", err)
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

// open opens the log, which must be a regular file of receipts.
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

// noLinks refuses links within a folder. os.Root refuses those that lead out of it, even
// while somebody changes them.
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

// isLog keeps receipts out of files of another kind, whoever named them.
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
	// A first line that was cut off is a prefix of lineStart.
	first, _, _ := bytes.Cut(start[:n], []byte("\n"))
	if !strings.HasPrefix(lineStart, string(first)) {
		return errForeign
	}
	return nil
}

// next returns the next place in a credential's chain. It skips lines that are no receipts
// or not chained.
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

// payloadHas rules lines out faster than opening them does.
func payloadHas(line, part []byte) bool {
	_, payload, _ := bytes.Cut(line, []byte(`"payload":"`))
	payload, _, _ = bytes.Cut(payload, []byte(`"`))
	text, err := base64.StdEncoding.AppendDecode(nil, payload)
	return err == nil && bytes.Contains(text, part)
}

// backwards yields the lines of a file without their ends, last first, reading no more than
// necessary. It omits lines longer than LongestLine.
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

type appending interface {
	io.ReaderAt
	io.Writer
	Sync() error
	Truncate(size int64) error
}

// writeLine appends a line to a file of that size, in one write and on a line of its own. If
// the disk is full it removes the partial line; failing that, Open refuses the part.
func writeLine(f appending, size int64, line []byte) error {
	text := append(bytes.Clone(line), '\n')
	if size > 0 {
		last := make([]byte, 1)
		if _, err := f.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' { // keep a cut-off line separate
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
