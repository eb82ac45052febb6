package purser_test

import (
	"errors"
	"os/exec"
	"testing"
)

// TestTheRoomsOfWindowsUnderWine runs the tests of what is different on Windows, as Windows
// programs. make wine runs all that need no Linux.
func TestTheRoomsOfWindowsUnderWine(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles much: skipped with -short")
	}
	cmd := exec.CommandContext(t.Context(), "scripts/wine.sh", "test", "-short",
		"./internal/fileaccess", "./internal/filelock", "./internal/lease", "./internal/boundedfile", "./internal/atomicfile", "./internal/keychain", "./internal/config")
	out, err := cmd.CombinedOutput()
	const impossible = 3
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == impossible {
		t.Skipf("%sskipped", out)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
