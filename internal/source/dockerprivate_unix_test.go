//go:build unix

package source

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestAPrivateConfigurationIgnoresAFIFO(t *testing.T) {
	real := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(real, "config.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := PrivateClients(t.TempDir(), real, "purser", nil); err == nil || !strings.Contains(err.Error(), "a FIFO, not a file") {
		t.Error(err)
	}
}
