//go:build unix

package boundedfile_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"purser/internal/boundedfile"
)

// If TestOnlyFilesAreRead failed, it would block or fill the memory.
func TestOnlyFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	fifo, ring, sparse := filepath.Join(dir, "fifo"), filepath.Join(dir, "ring"), filepath.Join(dir, "sparse")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(ring, ring); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(sparse, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(sparse, 10<<30); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	for path, want := range map[string]string{
		fifo: "it is a FIFO, not a file", ring: "too many", sparse: "it is larger than 1 MiB",
		"/dev/zero": "it is a device, not a file", l.Addr().String(): "it is a socket, not a file",
	} {
		if text, err := boundedfile.Read(path, 1<<20); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: read %d bytes, %v, want %q", path, len(text), err, want)
		}
	}
}
