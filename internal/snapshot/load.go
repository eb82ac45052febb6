package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"

	"purser/internal/audit"
	"purser/internal/boundedfile"
	"purser/internal/credential"
)

const (
	// mostFile and mostOne bound a file, and one element of a list, in bytes. IAM's quotas keep an
	// element under 200 KiB.
	mostFile = 1 << 30
	mostOne  = 4 << 20
	// mostAccounts bounds the folders.
	mostAccounts = 1000
)

// BadFile says where a saved file is broken. It repeats nothing of the file.
type BadFile struct {
	Path    string
	Line    int // from 1; 0: the file as a whole
	Problem string
}

func (e *BadFile) Error() string {
	text := credential.Quote(e.Path)
	if e.Line > 0 {
		text += ":" + strconv.Itoa(e.Line)
	}
	return text + ": " + e.Problem
}

// Load reads what Save wrote into dir, one snapshot for each account, by account. It follows no link
// out of dir.
func Load(dir string) ([]*Snapshot, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, &BadFile{Path: dir, Problem: credential.Innermost(err)}
	}
	defer root.Close() //nolint:errcheck // it was only read
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, &BadFile{Path: dir, Problem: credential.Innermost(err)}
	}
	var all []*Snapshot
	for _, e := range entries { // sorted
		if !isAccount(e.Name()) {
			continue
		}
		if len(all) == mostAccounts {
			return nil, &BadFile{Path: dir, Problem: fmt.Sprintf("the folder has more than %d accounts", mostAccounts)}
		}
		s, err := (&folder{root, dir, e.Name()}).load()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, &BadFile{Path: dir, Problem: "the folder has no saved answers: purser audit --save writes them into a folder for each account"}
	}
	return all, nil
}

// folder is one account's.
type folder struct {
	root      *os.Root
	dir, name string
}

func (f *folder) load() (*Snapshot, error) {
	s := &Snapshot{}
	// The rest of a file of another schema may mean something else.
	if err := f.object(aboutFile, &s.About, false); err != nil {
		return nil, err
	}
	switch {
	case s.About.Schema != Schema:
		return nil, f.bad(aboutFile, 0, "the files have schema "+strconv.Itoa(s.About.Schema)+", and this purser reads schema "+strconv.Itoa(Schema)+": save them again")
	case s.About.Account != f.name:
		return nil, f.bad(aboutFile, 0, "the file is about another account than its folder")
	case s.About.Taken.IsZero():
		return nil, f.bad(aboutFile, 0, "the file does not say when the answers were read")
	}
	lists := s.lists()
	for _, name := range slices.Sorted(maps.Keys(lists)) {
		if err := f.list(name, lists[name].add); err != nil {
			return nil, err
		}
	}
	if err := f.object(organizationFile, &s.Organization, true); err != nil {
		return nil, err
	}
	history := &audit.History{}
	switch err := f.object(historyFile, history, true); {
	case err == nil:
		s.History = history
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	s.sort() // people may have edited the files
	return s, nil
}

func (f *folder) bad(name string, line int, problem string) error {
	return &BadFile{filepath.Join(f.dir, f.name, name), line, problem}
}

// missing is the error for a file that does not exist.
type missing struct{ BadFile }

func (m *missing) Unwrap() error { return fs.ErrNotExist }

// open opens a regular file of the folder.
func (f *folder) open(name string) (*os.File, error) {
	at := path.Join(f.name, name)
	info, err := f.root.Lstat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &missing{BadFile{filepath.Join(f.dir, f.name, name), 0, "the file is missing: save the answers again"}}
	case err != nil:
		return nil, f.bad(name, 0, credential.Innermost(err))
	case !info.Mode().IsRegular():
		return nil, f.bad(name, 0, "it is no regular file")
	case info.Size() > mostFile:
		return nil, f.bad(name, 0, "it is larger than 1 GiB")
	}
	file, err := f.root.Open(at)
	if err != nil {
		return nil, f.bad(name, 0, credential.Innermost(err))
	}
	return file, nil
}

// list reads a list, one element at a time.
func (f *folder) list(name string, add func(json.RawMessage) error) error {
	return f.decode(name, func(dec *json.Decoder, renew func()) error {
		if start, err := dec.Token(); err != nil || start != json.Delim('[') {
			return orElse(err, "it must be a list")
		}
		for dec.More() {
			renew()
			var raw json.RawMessage
			if err := dec.Decode(&raw); err != nil {
				return err
			}
			if err := add(raw); err != nil {
				return &inside{err, dec.InputOffset() - int64(len(raw))}
			}
		}
		_, err := dec.Token() // the end of the list
		return err
	})
}

func (f *folder) object(name string, into any, strict bool) error {
	return f.decode(name, func(dec *json.Decoder, _ func()) error {
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		err := json.Unmarshal(raw, into)
		if strict {
			err = strictly(raw, into)
		}
		if err != nil {
			return &inside{err, dec.InputOffset() - int64(len(raw))}
		}
		return nil
	})
}

// decode opens a file and finds the line of an error.
func (f *folder) decode(name string, do func(dec *json.Decoder, renew func()) error) error {
	file, err := f.open(name)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // it was only read
	allowance := boundedfile.NewAllowance(file, mostOne)
	dec := json.NewDecoder(allowance)
	if err = do(dec, allowance.Renew); err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = orElse(end, "text follows the end of the file's content")
		}
	}
	if err == nil {
		return nil
	}
	at, problem := dec.InputOffset(), problemOf(err)
	if in, ok := errors.AsType[*inside](err); ok {
		at = in.at + offsetIn(in.error)
	} else if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = syntax.Offset
	} else if info, unknown := file.Stat(); unknown == nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		at = info.Size()
	}
	return f.bad(name, lineAt(file, at), problem)
}

// inside is an error in a value that begins at an offset.
type inside struct {
	error
	at int64
}

func (i *inside) Unwrap() error { return i.error }

func offsetIn(err error) int64 {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return t.Offset
	}
	return 0
}

// problemOf describes an error without anything of the file.
func problemOf(err error) string {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return credential.Quote(t.Field) + " has a value of a kind that does not belong there"
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return "it is not JSON"
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the file is cut off"
	case errors.Is(err, boundedfile.ErrAllowance):
		return "an entry is larger than 4 MiB"
	}
	return credential.Quote(err.Error())
}

func orElse(err error, problem string) error {
	if err != nil {
		return err
	}
	return errors.New(problem)
}

// strictly decodes JSON without members that nobody knows: they would be lost silently.
func strictly(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	return dec.Decode(into)
}

// lineAt counts lines up to an offset. Only errors need them.
func lineAt(file *os.File, at int64) int {
	line, buffer := 1, make([]byte, 64<<10)
	text := io.NewSectionReader(file, 0, at)
	for {
		n, err := text.Read(buffer)
		line += bytes.Count(buffer[:n], []byte("\n"))
		if err != nil {
			return line
		}
	}
}
