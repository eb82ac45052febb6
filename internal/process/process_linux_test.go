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

// holder runs this test binary as a process that holds a secret.
func holder(t *testing.T, env ...string) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestMain$")
	cmd.Env = append(os.Environ(), append(env, "PURSER_TEST_HOLDER=true")...)
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
	if victim := os.Getenv("PURSER_TEST_VICTIM"); victim != "" {
		attack(victim)
		return
	}
	if holder := os.Getenv("PURSER_TEST_HOLDER"); holder != "" {
		if holder == "true" {
			process.Protect()
		}
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
		return // refused, as it should be
	}
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 ") {
		t.Errorf("core files are limited to\n%s (%v)", limits, err)
	}
}

func TestMemoryStaysOutOfSwap(t *testing.T) {
	forever := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	var before unix.Rlimit
	if err := errors.Join(unix.Getrlimit(unix.RLIMIT_MEMLOCK, &before), unix.Setrlimit(unix.RLIMIT_MEMLOCK, &forever)); err != nil {
		t.Skipf("this user may not lock memory: %v: skipped", err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &before) })
	cmd, _ := holder(t)
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "status"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if fields := strings.Fields(line); fields[0] == "VmLck:" {
			if kilobytes, err := strconv.Atoi(fields[1]); err != nil || kilobytes < 1000 {
				t.Errorf("locked are %s kB", fields[1])
			}
			return
		}
	}
	t.Error("the kernel does not say how much memory is locked")
}

// TestTheSameUserCannotAttach runs both sides as the user nobody if the test is root, since root may
// trace anything.
func TestTheSameUserCannotAttach(t *testing.T) {
	program := os.Args[0]
	as := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		const nobody = 65534
		program = forEverybody(t, program)
		as.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	for _, protected := range []bool{true, false} {
		victim := exec.CommandContext(t.Context(), program)
		victim.Env = append(os.Environ(), "PURSER_TEST_HOLDER="+strconv.FormatBool(protected))
		victim.SysProcAttr, victim.Dir = as, "/"
		in, err := victim.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := victim.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := victim.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = in.Close(); _ = victim.Wait() })
		if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
			t.Fatal(err)
		}
		attacker := exec.CommandContext(t.Context(), program)
		attacker.Env = append(os.Environ(), "PURSER_TEST_VICTIM="+strconv.Itoa(victim.Process.Pid))
		attacker.SysProcAttr, attacker.Dir = as, "/"
		got, err := attacker.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		want := "memory: permission denied, trace: operation not permitted\n"
		if protected && string(got) != want {
			t.Errorf("the same user gets %q, want %q", got, want)
		}
		if !protected && strings.Contains(string(got), "memory: permission denied") {
			t.Logf("this machine lets nobody look at a process in any case: %s", got)
		}
	}
}

// forEverybody copies a program to where user nobody can run it.
func forEverybody(t *testing.T, program string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "purser-process-") //nolint:usetesting // only its user can read a t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	raw, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(dir, "holder")
	if err := errors.Join(os.WriteFile(to, raw, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return to
}

// attack reports how far the same user gets with a process.
func attack(pid string) {
	n, _ := strconv.Atoi(pid)
	_, memory := os.Open("/proc/" + pid + "/mem")
	fmt.Printf("memory: %v, trace: %v\n", errors.Unwrap(memory), unix.PtraceAttach(n))
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
