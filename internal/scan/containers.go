package scan

import (
	"archive/tar"
	"bytes"
	"compress/bzip2"

	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// open searches what an archive holds. Its error is why it could not go on.
type open func(*stream, *rawBytes) error

// sealedFormats are archives that purser does not open, by their first bytes.
var sealedFormats = []struct{ magic, name string }{
	{"\xfd7zXZ\x00", "xz"},
	{"7z\xbc\xaf\x27\x1c", "7-Zip"},
	{"Rar!\x1a\x07", "RAR"},
	{"\x04\x22\x4d\x18", "LZ4"},
	{"LZIP\x01", "lzip"},
	{"\xed\xab\xee\xdb", "RPM"},
	{"MSCF\x00\x00\x00\x00", "cabinet"},
	{"hsqs", "SquashFS"},
}

// opener returns what opens a stream that begins so; nil: it is no archive.
func opener(head []byte) open {
	starts := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case isGzip(head):
		return openGzip
	case starts("\x28\xb5\x2f\xfd"), len(head) > 4 && head[0]&0xf0 == 0x50 && string(head[1:4]) == "\x2a\x4d\x18": // decoders skip a frame of the second kind
		return openZstd
	case isBzip2(head):
		return openBzip2
	case starts("PK\x03\x04"), starts("PK\x05\x06"), starts("PK\x07\x08"): // a member, no members, parts
		return openZip
	case starts("!<arch>\n"):
		return openAr
	case isTar(head):
		return openTar
	}
	for _, f := range sealedFormats {
		if starts(f.magic) {
			return sealed(f.name)
		}
	}
	return nil
}

// isGzip looks at more than the mark of gzip, which other files begin with too: the flags, the
// extra flags and the system of RFC 1952.
func isGzip(head []byte) bool {
	return len(head) >= 10 && string(head[:3]) == "\x1f\x8b\x08" && head[3]&0xe0 == 0 &&
		(head[8] == 0 || head[8] == 2 || head[8] == 4) && (head[9] < 14 || head[9] == 255)
}

// isBzip2 looks at the start of the first block, or of the end.
func isBzip2(head []byte) bool {
	return len(head) >= 10 && string(head[:3]) == "BZh" && (string(head[4:10]) == "\x31\x41\x59\x26\x53\x59" || string(head[4:10]) == "\x17\x72\x45\x38\x50\x90")
}

// isTar checks the sum of a header, which every kind of tar has.
func isTar(head []byte) bool {
	const header, from, to = 512, 148, 156
	if len(head) < header {
		return false
	}
	want, err := strconv.ParseInt(strings.Trim(string(head[from:to]), " \x00"), 8, 64)
	if err != nil || want == 0 {
		return false
	}
	var sum, signed int64 // some programs add signed bytes
	for i, c := range head[:header] {
		if from <= i && i < to {
			c = ' '
		}
		sum, signed = sum+int64(c), signed+int64(int8(c)) // as they do
	}
	return want == sum || want == signed
}

// archive searches what is in an archive, and its bytes as they are: names, comments, what
// is between members, and all of it if it only looks like an archive.
func (st *stream) archive(one *search, r io.Reader, n int, err error, open open) {
	one.kind = packed
	in := &rawBytes{st: st, r: r, search: one, end: n, err: err}
	if st.depth >= deepest {
		st.s.Miss(st.where, "it is in too many archives")
	} else if err := open(st, in); err != nil {
		st.miss(err)
	}
	in.drain()
	for _, f := range one.late {
		if !slices.ContainsFunc(st.found, f.sameSecret) {
			one.pass(f)
		}
	}
	st.s.done(one)
}

// member searches what is in an archive under a name.
func (st *stream) member(name string, r io.Reader) {
	w := st.named(name)
	st.s.name(w, st, name)
	_ = st.s.look(st.ctx, w, r, st) // the caller asks ctx
}

func (st *stream) named(name string) Where {
	w := st.where
	if p, ok := st.parts[name]; ok {
		return w.partOf(p)
	}
	w.Inside = append(slices.Clip(w.Inside), name)
	return w
}

// unpacked searches what a decoder makes of an archive that has no members.
func (st *stream) unpacked(r io.Reader) {
	_ = st.s.look(st.ctx, st.where, st.telling(st.where, &counted{st.root, r}), st) // the caller asks ctx
}

// counted bounds what a decoder makes.
type counted struct {
	root *root
	r    io.Reader
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	switch {
	case err == nil:
		err = c.root.grow(n)
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch), errors.Is(err, errBzip2Rest):
		err = io.EOF // what follows the archive is something else
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		err = errWindow
	case err != io.EOF: //nolint:errorlint // an end that something wraps is none
		err = damaged(err)
	}
	return n, err
}

// damaged says what a decoder's error means.
func damaged(err error) error {
	if errors.Is(err, errTold) || errors.Is(err, errDirectory) || errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return fmt.Errorf("it is damaged: %w", err)
}

// telling tells once why a reader cannot go on.
func (st *stream) telling(w Where, r io.Reader) *teller {
	return &teller{stream{ctx: st.ctx, s: st.s, where: w}, r, false}
}

type teller struct {
	stream
	r    io.Reader
	told bool
}

func (t *teller) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	if err != nil && err != io.EOF {
		t.miss(err)
		t.told, err = true, errTold
	}
	return n, err
}

const errBzip2Rest = bzip2.StructuralError("bad magic value in continuation file")

func openGzip(st *stream, in *rawBytes) error {
	z, err := gzip.NewReader(in)
	if err != nil {
		return damaged(err)
	}
	st.unpacked(z)
	return nil
}

func openBzip2(st *stream, in *rawBytes) error {
	st.unpacked(bzip2.NewReader(in))
	return nil
}

func openZstd(st *stream, in *rawBytes) error {
	z, release, err := st.root.decoder(st.ctx, in.ahead())
	if err != nil {
		return err
	}
	defer release()
	if err := z.Reset(in); err != nil {
		return err
	}
	st.unpacked(z)
	return nil
}

// sealed is an archive that cannot be opened.
func sealed(format string) open {
	return func(*stream, *rawBytes) error {
		return errors.New("purser does not open " + format + " archives: unpack it, and scan the folder")
	}
}

// mostSparse bounds sparse members that are read with their holes.
const mostSparse = 64 << 20

func openTar(st *stream, in *rawBytes) error {
	first := true
	for t := tar.NewReader(in); ; first = false {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return damaged(err)
		}
		in.hush(false)
		if first && isSaved(h.Name) {
			st.parts = savedParts(in.r)
		}
		if isSparse(h) && h.Size > mostSparse {
			st.s.name(st.named(h.Name), st, h.Name)
			continue // its data is searched with the bytes of the archive
		}
		in.hush(true)
		data := st.telling(st.named(h.Name), t)
		st.member(h.Name, data)
		in.hush(false)
		if data.told {
			return nil
		}
	}
}

func isSparse(h *tar.Header) bool {
	return h.Typeflag == tar.TypeGNUSparse || h.PAXRecords["GNU.sparse.major"] != "" || h.PAXRecords["GNU.sparse.map"] != "" || h.PAXRecords["GNU.sparse.size"] != ""
}

// openAr opens what holds the parts of a Debian package, and object files.
func openAr(st *stream, in *rawBytes) error {
	const magic, header = 8, 60
	if _, err := io.CopyN(io.Discard, in, magic); err != nil {
		return err
	}
	for head := make([]byte, header); ; {
		if n, err := io.ReadFull(in, head); n < 2 { // padding may end it
			return nil
		} else if err != nil {
			return err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(string(head[48:58])), 10, 64)
		if err != nil || size < 0 || string(head[58:]) != "`\n" {
			return nil //nolint:nilerr // nothing is packed: the rest is searched as it is
		}
		in.hush(true)
		data := io.LimitReader(in, size)
		st.member(strings.TrimRight(string(head[:16]), "/ "), data)
		_, err = io.Copy(io.Discard, data) // nothing, unless it was missed
		in.hush(false)
		if err == nil && size%2 == 1 {
			_, err = in.ReadByte()
		}
		if err != nil && err != io.EOF { //nolint:errorlint // an end that something wraps is none
			return err
		}
	}
}
