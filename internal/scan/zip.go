package scan

import (
	"archive/zip"
	"bytes"
	"compress/bzip2"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const (
	// mostDirectory bounds the list of a zip's members, and mostMembers how many it may claim
	// to have, which the library makes room for.
	mostDirectory = 16 << 20
	mostMembers   = mostDirectory / 46

	zipBzip2     = 12
	zipEncrypted = 1
)

var errDirectory = errors.New("its list of members is longer than 16 MB")

// openZip opens what is a zip: jar, wheel, apk, docx and their like. Its list of members is
// at its end, so one that is in another archive is read into memory.
func openZip(st *stream, in *rawBytes) error {
	file, ok := in.r.(whole)
	if !ok {
		data, release, err := st.root.hold(st.ctx, in)
		defer release()
		if err != nil {
			return err
		}
		file = bytes.NewReader(data)
	}
	list := &listReader{st: st, whole: file, left: mostDirectory}
	if claimsTooMany(list) {
		return errDirectory
	}
	z, err := zip.NewReader(list, file.Size())
	if err != nil {
		return damaged(err)
	}
	list.left = math.MaxInt64
	z.RegisterDecompressor(zipBzip2, func(r io.Reader) io.ReadCloser { return io.NopCloser(bzip2.NewReader(r)) })
	z.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderMaxWindow(littleMemory), zstd.WithDecoderMaxMemory(littleMemory)))
	for _, f := range z.File {
		if st.ctx.Err() != nil {
			return nil
		}
		st.zipped(f)
	}
	return nil
}

func (st *stream) zipped(f *zip.File) {
	w := st.named(f.Name)
	missed := func(why string) {
		st.s.name(w, st, f.Name)
		st.s.Miss(w, why)
	}
	if strings.HasSuffix(f.Name, "/") {
		st.s.name(w, st, f.Name)
		return
	}
	if f.Flags&zipEncrypted != 0 {
		missed("it is encrypted")
		return
	}
	switch r, err := f.Open(); {
	case errors.Is(err, zip.ErrAlgorithm):
		missed("purser does not know how it is compressed")
	case err != nil:
		missed(why(damaged(err)))
	default:
		st.member(f.Name, st.telling(w, &counted{st.root, r}))
		_ = r.Close() // it was only read
	}
}

// listReader bounds how much is read of the list of members.
type listReader struct {
	st *stream
	whole
	left int64
}

func (l *listReader) ReadAt(p []byte, at int64) (int, error) {
	if l.left -= int64(len(p)); l.left < mostDirectory-littleMemory/4 {
		if err := l.st.root.large(l.st.ctx); err != nil {
			return 0, err
		}
	}
	if l.left < 0 {
		return 0, errDirectory
	}
	return l.whole.ReadAt(p, at)
}

// claimsTooMany reports whether any record at the end of a large zip lists too many members.
func claimsTooMany(file whole) bool {
	const locator, record, comment = 20, 56, 1 << 16
	from := max(0, file.Size()-comment-locator-record)
	tail := make([]byte, file.Size()-from)
	if n, err := file.ReadAt(tail, from); n < len(tail) || err != nil && err != io.EOF { //nolint:errorlint // an end that something wraps is none
		return false // the library says why
	}
	for {
		_, after, found := bytes.Cut(tail, []byte("PK\x06\x07"))
		if !found {
			return false
		}
		if tail = after; len(tail) < locator {
			return false
		}
		end := make([]byte, record)
		_, _ = file.ReadAt(end, int64(binary.LittleEndian.Uint64(tail[4:])&(1<<62-1))) // what cannot be read lists none
		if binary.LittleEndian.Uint64(end[32:]) > mostMembers {
			return true
		}
	}
}
