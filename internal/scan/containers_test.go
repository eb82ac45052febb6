package scan_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"purser/internal/scan"
)

// looked returns what a scan of a stream tells.
func looked(t testing.TB, stream io.Reader) *results {
	t.Helper()
	s, r := scanner(value("secret", token))
	if err := s.Look(context.Background(), scan.Where{Path: "place"}, stream); err != nil {
		t.Fatal(err)
	}
	return r
}

// archive calls write with a tar's writer.
func archive(t testing.TB, write func(*tar.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	write(w)
	must[any](t)(nil, w.Close())
	return b.Bytes()
}

// TestWhatAnArchiveTells looks at everything in an archive that is not the data of a member,
// and at archives that cannot be opened.
func TestWhatAnArchiveTells(t *testing.T) {
	text := []byte("a text with " + token + " in it")
	inTar := func(h tar.Header) []byte {
		return archive(t, func(w *tar.Writer) { must[any](t)(nil, w.WriteHeader(&h)) })
	}
	inZip := func(change func(*zip.Writer, *zip.FileHeader)) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: "file"}
		change(z, h)
		must[io.Writer](t)(z.CreateHeader(h))
		must[any](t)(nil, z.Close())
		return b.Bytes()
	}
	var named bytes.Buffer
	z := gzip.NewWriter(&named)
	z.Name, z.Comment = "name", token
	must[any](t)(nil, z.Close())
	compressed := gzipped(t, append(bytes.ReplaceAll(noise(300<<10), []byte("\n"), nil), text...))
	encrypted := zipped(zip.Deflate)(t, text)
	for at := range len(encrypted) - 10 { // in both headers of each member
		switch string(encrypted[at : at+4]) {
		case "PK\x03\x04":
			encrypted[at+6] |= 1
		case "PK\x01\x02":
			encrypted[at+8] |= 1
		}
	}
	damaged := slices.Clone(compressed)
	damaged[len(damaged)-3]++
	deep := text
	for range 12 {
		deep = tarred(tar.FormatUSTAR)(t, deep)
	}
	for name, test := range map[string]struct {
		stream        []byte
		found, missed string // of the only one, or ""
	}{
		"name of a member of a tar":  {inTar(tar.Header{Name: token}), "place!dckr_pat_[redacted]:0 secret as it is", ""},
		"target of a link":           {inTar(tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/" + token}), "place:0 secret as it is", ""},
		"long target of a link":      {inTar(tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: strings.Repeat("x/", 99) + token, Format: tar.FormatGNU}), "place:0 secret as it is", ""},
		"owner of a member":          {inTar(tar.Header{Name: "file", Uname: token[:31]}), "place:0 secret as it is", ""},
		"pax record":                 {inTar(tar.Header{Name: "file", PAXRecords: map[string]string{"SCHILY.xattr.user.x": token}}), "place:0 secret as it is", ""},
		"after the end of a tar":     {append(inTar(tar.Header{Name: "file"}), text...), "place:0 secret as it is", ""},
		"comment of gzip":            {named.Bytes(), "place:0 secret as it is", ""},
		"after gzip":                 {append(gzipped(t, []byte("text")), text...), "place:0 secret as it is", ""},
		"name of a member of a zip":  {inZip(func(_ *zip.Writer, h *zip.FileHeader) { h.Name = token + "/" }), "place!dckr_pat_[redacted]/:0 secret as it is", ""},
		"comment of a zip":           {inZip(func(z *zip.Writer, _ *zip.FileHeader) { must[any](t)(nil, z.SetComment(token)) }), "place:0 secret as it is", ""},
		"comment of a member":        {inZip(func(_ *zip.Writer, h *zip.FileHeader) { h.Comment = token }), "place:0 secret as it is", ""},
		"before a zip with its head": {slices.Concat([]byte("PK\x03\x04"), text, zipped(zip.Deflate)(t, []byte("x"))), "place:0 secret as it is", ""},
		"encrypted member":           {encrypted, "", "place!file: it is encrypted"},
		"gzip in an unknown zip": {inZip(func(z *zip.Writer, h *zip.FileHeader) {
			h.Method = 97
			z.RegisterCompressor(97, func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil })
		}), "", "place!file: purser does not know how it is compressed"},
		"gzip that ends too early":      {compressed[:len(compressed)-6], "place:1 secret as it is", "place: it ends too early"},
		"gzip with a wrong sum":         {damaged, "place:1 secret as it is", "place: it is damaged: gzip: invalid checksum"},
		"zip that ends too early":       {slices.Concat(zipped(zip.Store)(t, text)[:150], []byte("and more")), "place:0 secret as it is", "place: it is damaged: zip: not a valid zip file"},
		"tar that ends too early":       {tarred(tar.FormatPAX)(t, append(text, noise(5000)...))[:4000], "place!file:1 secret as it is", "place!file: it ends too early"},
		"tar that goes on with text":    {append(tarred(tar.FormatPAX)(t, []byte("x"))[:512*3], text...), "place:0 secret as it is", ""},
		"mark of gzip, and text":        {append([]byte("\x1f\x8b\x08"), text...), "place:1 secret as it is", ""},
		"head of gzip, and text":        {append([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), text...), "place:0 secret as it is", "place: it is damaged: flate: corrupt input before offset 5"},
		"mark of bzip2, and text":       {append([]byte("BZh9"), text...), "place:1 secret as it is", ""},
		"mark of zstd, and text":        {append([]byte("\x28\xb5\x2f\xfd"), text...), "place:0 secret as it is", "place: it is damaged: unknown dictionary"},
		"bzip2":                         {bzipped, "place:1 secret as it is", ""},
		"bzip2, and more after it":      {append(slices.Clone(bzipped), "something else"...), "place:1 secret as it is", ""},
		"xz":                            {append([]byte("\xfd7zXZ\x00"), noise(100)...), "", "place: purser does not open xz archives: unpack it, and scan the folder"},
		"twelve archives in each other": {deep, "place" + strings.Repeat("!file", 8) + ":0 secret as it is", "place" + strings.Repeat("!file", 8) + ": it is in too many archives"},
	} {
		for kind, stream := range map[string]io.Reader{"file": bytes.NewReader(test.stream), "stream": struct{ io.Reader }{bytes.NewReader(test.stream)}} {
			r := looked(t, stream)
			if got := strings.Join(r.found, "; "); got != test.found {
				t.Errorf("%s, as a %s: found %q, want %q", name, kind, got, test.found)
			}
			if got := strings.Join(r.missed, "; "); got != test.missed {
				t.Errorf("%s, as a %s: missed %q, want %q", name, kind, got, test.missed)
			}
		}
	}
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// TestBombsEndEarly opens what expands without an end, in several ways and at several depths.
func TestBombsEndEarly(t *testing.T) {
	const grows = ": it expands to more than 1 GB, 1,000 times its size"
	const megabytes = 1100
	var start bytes.Buffer
	z := must[*gzip.Writer](t)(gzip.NewWriterLevel(&start, 9))
	write := func() {
		must[int](t)(z.Write(make([]byte, 1<<20)))
		must[any](t)(nil, z.Flush())
	}
	write()
	first := start.Len()
	write() // again the same, as all that follows
	bomb := append(start.Bytes()[:first:first], bytes.Repeat(start.Bytes()[first:], megabytes)...)
	frame := must[*zstd.Encoder](t)(zstd.NewWriter(nil)).EncodeAll(make([]byte, 1<<20), nil)
	for name, test := range map[string]struct {
		stream []byte
		missed string
	}{
		"gzip in gzip":                {gzipped(t, bomb), "place" + grows},
		"zstd":                        {bytes.Repeat(frame, megabytes), "place" + grows},
		"a zip whose members overlap": {overlapping(t, bomb[10:], megabytes<<20, 20), "place!file" + grows},
	} {
		r := looked(t, bytes.NewReader(append(test.stream, token...)))
		if len(r.found) != 1 || len(r.missed) != 1 || r.missed[0] != test.missed {
			t.Errorf("%s: found %q, missed %q, want %q", name, r.found, r.missed, test.missed)
		}
	}
}

// overlapping makes a zip with one deflated member that the list names several times.
func overlapping(t testing.TB, deflated []byte, size uint64, times int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w := must[io.Writer](t)(z.CreateRaw(&zip.FileHeader{Name: "file", Method: zip.Deflate, CompressedSize64: uint64(len(deflated)), UncompressedSize64: size}))
	must[int](t)(w.Write(deflated))
	must[any](t)(nil, z.Close())
	list := bytes.Index(b.Bytes(), []byte("PK\x01\x02"))
	end := b.Len() - 22
	entry := slices.Clone(b.Bytes()[list:end])
	tail := slices.Clone(b.Bytes()[end:])
	binary.LittleEndian.PutUint16(tail[8:], uint16(times))
	binary.LittleEndian.PutUint16(tail[10:], uint16(times))
	binary.LittleEndian.PutUint32(tail[12:], uint32(times*len(entry)))
	return slices.Concat(b.Bytes()[:list], bytes.Repeat(entry, times), tail)
}

// TestASparseFileIsFast has three gigabytes without data, twice, with the token after them.
func TestASparseFileIsFast(t *testing.T) {
	const hole = 3 << 30
	path := filepath.Join(t.TempDir(), "sparse")
	f := must[*os.File](t)(os.Create(path))
	defer func() { _ = f.Close() }()
	must[int](t)(f.WriteString("begin\n"))
	must[int](t)(f.WriteAt([]byte("x\n"+token+"\n"), hole))
	must[any](t)(nil, f.Truncate(2*hole))
	if !scan.HasHoles(must[os.FileInfo](t)(f.Stat())) {
		t.Skip("the file system has no holes")
	}
	s, r := scanner(value("secret", token))
	must[any](t)(nil, s.Files(context.Background(), path))
	if want := []string{path + ":3 secret as it is"}; !slices.Equal(r.found, want) || len(r.missed) > 0 {
		t.Errorf("found %q, want %q; missed %q", r.found, want, r.missed)
	}
	if total := s.Totals(); total.Bytes+total.Skipped != 2*hole || total.Skipped < 2*hole-1<<20 {
		t.Errorf("%+v", total)
	}
}

// TestASparseMemberIsNotExpanded has a member of a petabyte in a small tar.
func TestASparseMemberIsNotExpanded(t *testing.T) {
	data := token + strings.Repeat("\x00", 512-len(token))
	sparse := archive(t, func(w *tar.Writer) {
		must[any](t)(nil, w.WriteHeader(&tar.Header{Name: "before", Size: 512}))
		must[int](t)(io.WriteString(w, data))
	})
	h := sparse[:512] // to the form of GNU for sparse files
	copy(h[257:], "ustar  \x00")
	h[156] = 'S'
	copy(h[386:], "16000000000000 \x00")
	h[386] = 0x80
	clear(h[387:398])
	binary.BigEndian.PutUint64(h[390:], 1<<50)
	h[398] = 0x80
	clear(h[399:410])
	binary.BigEndian.PutUint64(h[402:], 512)
	h[483] = 0x80
	clear(h[484:495])
	binary.BigEndian.PutUint64(h[487:], 1<<50+512)
	copy(h[148:], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], []byte{byte('0' + sum>>15&7), byte('0' + sum>>12&7), byte('0' + sum>>9&7), byte('0' + sum>>6&7), byte('0' + sum>>3&7), byte('0' + sum&7), 0, ' '})
	if m, err := tar.NewReader(bytes.NewReader(sparse)).Next(); err != nil || m.Size != 1<<50+512 {
		t.Fatalf("the test's tar is wrong: %+v, %v", m, err)
	}
	r := looked(t, bytes.NewReader(sparse))
	if len(r.found) != 1 || len(r.missed) > 0 {
		t.Errorf("found %q, missed %q", r.found, r.missed)
	}
}

// TestAHugeListOfMembersIsNotRead claims members that would fill the memory.
func TestAHugeListOfMembersIsNotRead(t *testing.T) {
	end := make([]byte, 56+20+22)
	copy(end, "PK\x06\x06")
	binary.LittleEndian.PutUint64(end[4:], 44)
	binary.LittleEndian.PutUint64(end[32:], 1<<33)
	copy(end[56:], "PK\x06\x07")
	copy(end[76:], "PK\x05\x06")
	for i := 84; i < 96; i++ {
		end[i] = 0xff
	}
	path := filepath.Join(t.TempDir(), "huge.zip")
	f := must[*os.File](t)(os.Create(path))
	defer func() { _ = f.Close() }()
	const size = 1 << 40
	binary.LittleEndian.PutUint64(end[64:], size)
	must[int](t)(f.WriteString("PK\x03\x04"))
	if _, err := f.WriteAt(end, size); err != nil {
		t.Skip("the file system has no files of this size: ", err)
	}
	if info := must[os.FileInfo](t)(f.Stat()); !scan.HasHoles(info) {
		t.Skip("the file system has no holes")
	}
	s, r := scanner(value("secret", token))
	must[any](t)(nil, s.Files(context.Background(), path)) // skips a terabyte without data
	if len(r.missed) != 1 || !strings.Contains(r.missed[0], "list of members") {
		t.Errorf("missed %q", r.missed)
	}
}

// TestAZipInAnArchiveIsBounded puts zips of a size beyond the bound into a tar.
func TestAZipInAnArchiveIsBounded(t *testing.T) {
	big := func(padding int) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w := must[io.Writer](t)(z.CreateHeader(&zip.FileHeader{Name: "padding"}))
		must[int](t)(w.Write(make([]byte, padding)))
		w = must[io.Writer](t)(z.Create("file"))
		must[int](t)(io.WriteString(w, token))
		must[any](t)(nil, z.Close())
		return b.Bytes()
	}
	for padding, missed := range map[int]string{
		0: "", 1 << 20: "", 60 << 20: "", 70 << 20: "place!file: it is larger than 64 MB and in another archive: unpack that, and scan the folder",
	} {
		r := looked(t, bytes.NewReader(tarred(tar.FormatPAX)(t, big(padding))))
		if (len(r.found) == 1) != (missed == "") || strings.Join(r.missed, "") != missed {
			t.Errorf("after %d bytes: found %q, missed %q", padding, r.found, r.missed)
		}
	}
}

// bzipped is "a text with … in it" with the token, by bzip2, for which Go has no writer.
var bzipped, _ = base64.StdEncoding.DecodeString("QlpoOTFBWSZTWW8mS2MAAA0fgEAAf4A3XQAAruvUwCAASMaNAGhtTRtDTUekGMRpk00wJiYTTCBm9G8NDl3b15QGUSmR+AihSKSK+ajXVT1yNo4Phu5AB+RdyRThQkG8mS2M")
