//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/present"
)

// purserProgram builds purser itself; nothing searches its output.
func purserProgram(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "purser")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// TestOutputThatIsLostIsAFailure: a script must not take it for success.
func TestOutputThatIsLostIsAFailure(t *testing.T) {
	purser, helper := purserProgram(t), filepath.Join(buildHelper(t), "docker-credential-purser")
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("there is no /dev/full here: skipped")
	}
	defer func() { _ = full.Close() }()
	read, nobody, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nobody.Close() }()
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	for name, out := range map[string]*os.File{"a full disk": full, "a closed pipe": nobody} {
		for _, args := range [][]string{{purser, "version"}, {purser, "schema"}, {purser, "version", "--output", "json"}, {purser, "--help"}, {helper, "version"}} {
			cmd := exec.Command(args[0], args[1:]...)
			var errs bytes.Buffer
			cmd.Stdout, cmd.Stderr = out, &errs
			_ = cmd.Run() // the code says how
			if code := cmd.ProcessState.ExitCode(); code != present.ExitFailed || errs.Len() == 0 {
				t.Errorf("%s on %s: it ended with %v, and said %q", strings.Join(args[1:], " "), name, cmd.ProcessState, errs.String())
			}
		}
	}
}

// TestAClosedPipeDoesNotInterruptAChange rotates as in purser rotate | head -1.
func TestAClosedPipeDoesNotInterruptAChange(t *testing.T) {
	r := newRehearsal(t)
	read, nobody, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := read.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(purserProgram(t), "rotate", "dockerhub", "--force", "--yes", "--now")
	cmd.Env, cmd.Dir, cmd.Stdout = r.env, r.dir, nobody
	_ = cmd.Run() // the code says how
	if code := cmd.ProcessState.ExitCode(); code != present.ExitFailed {
		t.Errorf("it ended with %v", cmd.ProcessState)
	}
	r.sound("after it")
}

// TestAChildHasTheDefaultSIGPIPE looks at the signals that exec's program ignores.
func TestAChildHasTheDefaultSIGPIPE(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(purserProgram(t), "exec", "--no-redact", "--", "grep", "-E", "^Sig(Ign|Cgt)", "/proc/self/status")
	cmd.Env = []string{"HOME=" + dir, "PATH=" + buildHelper(t) + ":" + os.Getenv("PATH"), "CI=true", "PURSER_SECRET_ID=mockserver-build/dockerhub"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const sigpipe = 1 << 12
	for line := range strings.Lines(string(out)) {
		name, mask, _ := strings.Cut(line, ":")
		var bits uint64
		if _, err := fmt.Sscanf(mask, "%x", &bits); err != nil {
			t.Fatal(err)
		}
		if bits&sigpipe != 0 {
			t.Errorf("%s has SIGPIPE: %s", name, mask)
		}
	}
}
