package scan_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/scan"
)

// tenValues are what a project of ten credentials looks for.
func tenValues() []scan.Value {
	var values []scan.Value
	for i, secret := range fakes(10) {
		values = append(values, value(fmt.Sprint("value-", i), secret))
	}
	return values
}

// sourceText returns Go's source.
func sourceText(tb testing.TB, size int) []byte {
	tb.Helper()
	root := must[[]byte](tb)(exec.Command("go", "env", "GOROOT").Output())
	paths := must[[]string](tb)(filepath.Glob(filepath.Join(strings.TrimSpace(string(root)), "src/*/*.go")))
	var text []byte
	for i := 0; len(text) < size; i++ {
		text = append(text, must[[]byte](tb)(os.ReadFile(paths[i%len(paths)]))...)
	}
	return text[:size]
}

// BenchmarkFiles looks through trees in the page cache, with GOMAXPROCS threads.
func BenchmarkFiles(b *testing.B) {
	for _, tree := range []struct {
		name        string
		files, size int
		pack        func(testing.TB, []byte) []byte
	}{
		{"big", 4, 64 << 20, around(nil, nil)},
		{"binary", 4, 64 << 20, func(tb testing.TB, source []byte) []byte {
			tb.Helper()
			program := must[[]byte](tb)(os.ReadFile(must[string](tb)(os.Executable())))
			return bytes.Repeat(program, len(source)/len(program)+1)[:len(source)]
		}},
		{"small", 4000, 4 << 10, around(nil, nil)},
		{"gzip", 4, 16 << 20, gzipped},
		{"zip", 4, 16 << 20, zipped(8)},
		{"tar", 4, 16 << 20, nested("pax").pack},
		{"zstd", 4, 16 << 20, nested("zstd").pack},
	} {
		b.Run(tree.name, func(b *testing.B) {
			dir := b.TempDir()
			data := tree.pack(b, sourceText(b, tree.size))
			for i := range tree.files {
				must[any](b)(nil, os.WriteFile(filepath.Join(dir, fmt.Sprint("file-", i)), data, 0o600))
			}
			s, r := scanner(tenValues()...)
			b.SetBytes(int64(tree.files * tree.size))
			b.ReportAllocs()
			before := cpuTime()
			for b.Loop() {
				must[any](b)(nil, s.Files(context.Background(), dir))
			}
			b.ReportMetric(float64(b.N*tree.files*tree.size)/1e6/(cpuTime()-before).Seconds(), "MB/cpu-s")
			if len(r.found)+len(r.missed) > 0 {
				b.Fatal(r)
			}
		})
	}
}

// BenchmarkReading is what reading the same files costs alone.
func BenchmarkReading(b *testing.B) {
	path := filepath.Join(b.TempDir(), "file")
	must[any](b)(nil, os.WriteFile(path, sourceText(b, 64<<20), 0o600))
	b.SetBytes(64 << 20)
	block := make([]byte, 128<<10)
	before := cpuTime()
	for b.Loop() {
		f := must[*os.File](b)(os.Open(path))
		_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{f}, block)
		_ = f.Close()
	}
	b.ReportMetric(float64(b.N)*(64<<20)/1e6/(cpuTime()-before).Seconds(), "MB/cpu-s")
}
