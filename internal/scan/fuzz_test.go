package scan_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"io"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"purser/internal/scan"
)

// FuzzLook looks through anything. What follows it is found, whatever it seems to be.
func FuzzLook(f *testing.F) {
	for _, b := range allBoxes {
		f.Add(b.pack(f, []byte("some text")))
	}
	f.Add(bzipped)
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03 and more"))
	f.Add(zipped(zip.Deflate)(f, tarred(tar.FormatGNU)(f, []byte("x")))[:99])
	s, r := scanner(value("secret", token))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := append(slices.Clone(data), "\n"+token...)
		for _, stream := range []io.Reader{bytes.NewReader(file), struct{ io.Reader }{bytes.NewReader(file)}} {
			r.found, r.missed = nil, nil
			if err := s.Look(context.Background(), scan.Where{Path: "place"}, stream); err != nil {
				t.Fatal(err)
			}
			if len(r.found) == 0 {
				t.Fatalf("not found after %q; missed %q", data, r.missed)
			}
		}
	})
}

// TestMemoryIsBounded opens many archives at once that want much memory.
func TestMemoryIsBounded(t *testing.T) {
	const streams, most = 8, 200 << 20
	stored := func(padding int) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		w := must[io.Writer](t)(z.CreateHeader(&zip.FileHeader{Name: "padding"}))
		must[int](t)(w.Write(make([]byte, padding)))
		must[int](t)(must[io.Writer](t)(z.Create("file")).Write([]byte(token)))
		must[any](t)(nil, z.Close())
		return b.Bytes()
	}(30 << 20)
	// In memory all this is a few bytes: gzip of zeros, and a frame that wants a large window.
	nested := gzipped(t, tarred(tar.FormatPAX)(t, zipped(zip.Store)(t, stored)))
	encoder := must[*zstd.Encoder](t)(zstd.NewWriter(nil, zstd.WithWindowSize(64<<20)))
	window := encoder.EncodeAll(append(make([]byte, 70<<20), token...), nil)
	_ = encoder.Close()
	stored, encoder = nil, nil //nolint:ineffassign // lets the collector have them
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	s, r := scanner(value("secret", token))
	var highest uint64
	tell := s.Found
	s.Found = func(f scan.Finding) { // while its archives are open
		tell(f)
		runtime.ReadMemStats(&now)
		highest = max(highest, now.HeapInuse)
	}
	var work sync.WaitGroup
	for i := range streams {
		work.Go(func() {
			_ = s.Look(context.Background(), scan.Where{Path: "place"}, bytes.NewReader([][]byte{nested, window}[i%2]))
		})
	}
	work.Wait()
	if len(r.found) != streams || len(r.missed) > 0 {
		t.Errorf("found %q, missed %q", r.found, r.missed)
	}
	if took := int64(highest) - int64(before.HeapInuse); took > most {
		t.Errorf("the scan took %d MB", took>>20)
	} else {
		t.Logf("the scan took %d MB", took>>20)
	}
}
