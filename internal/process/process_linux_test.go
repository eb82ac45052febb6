package process_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"purser/internal/process"
)

// holder is this test binary run again as a process that holds a secret.
func holder(t *testing.T, env ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestMain$")
	cmd.Env = append(os.Environ(), append(env, "PURSER_TEST_HOLDER=1")...)
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, ready); err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	return cmd, out
}

func TestMain(m *testing.M) {
	if os.Getenv("PURSER_TEST_HOLDER") != "" {
		process.Protect()
		fmt.Println("ready")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	os.Exit(m.Run())
}

func TestTheProcessIsNotDumpable(t *testing.T) {
	cmd, _ := holder(t)
	info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "mem"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Error("the process's memory belongs to its user; it is dumpable")
	}
	limits, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "limits"))
	if os.IsPermission(err) {
		return // which is the point
	}
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 ") {
		t.Errorf("core files are limited to\n%s (%v)", limits, err)
	}
}

// TestTheSameUserCannotAttach runs as nobody where the test is root, since root
// may trace anything.
func TestTheSameUserCannotAttach(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may trace any process: skipped; that the process is not dumpable is tested")
	}
	cmd, _ := holder(t)
	if err := unix.PtraceAttach(cmd.Process.Pid); !errors.Is(err, unix.EPERM) {
		t.Errorf("attaching: %v, want it refused", err)
	}
}

func TestACrashIsQuietAndLeavesNoCore(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGILL} {
		cmd, _ := holder(t, "GOTRACEBACK=crash")
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		text := cmd.Stderr.(*strings.Builder).String()
		if strings.Contains(text, "goroutine") || strings.Contains(text, "rax") {
			t.Errorf("%v dumped:\n%s", sig, text)
		}
		if cmd.ProcessState.ExitCode() != 128+int(sig) {
			t.Errorf("%v: exit code %d", sig, cmd.ProcessState.ExitCode())
		}
		if cores, _ := filepath.Glob(filepath.Join(cmd.Dir, "*core*")); len(cores) > 0 {
			t.Errorf("%v left %v", sig, cores)
		}
	}
}
