//go:build unix

package childproc_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"purser/internal/childproc"
)

// TestMain runs a command line for tests that need their own process: with a filter that
// makes capitals, unless PURSER_TEST_PLAIN is set.
func TestMain(m *testing.M) {
	if os.Getenv("PURSER_TEST_RUN") == "" {
		os.Exit(m.Run())
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, childproc.Signals()...)
	c := childproc.Command{
		Program: "/bin/sh", Args: []string{"-c", os.Getenv("PURSER_TEST_RUN")}, Env: os.Environ(), In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Signals: signals, After: after, DeadlineGrace: time.Second,
	}
	if os.Getenv("PURSER_TEST_PLAIN") == "" {
		c.Filter = func(to io.Writer) childproc.Filter { return capitals{to} }
	}
	code, err := c.Run(context.Background())
	if err != nil {
		code = 99
	}
	os.Exit(code)
}

func after(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }

type capitals struct{ io.Writer }

func (c capitals) Write(p []byte) (int, error) { return c.Writer.Write(bytes.ToUpper(p)) }
func (capitals) Idle() error                   { return nil }
func (capitals) Close() error                  { return nil }

func inner(t *testing.T, script string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), env...), "PURSER_TEST_RUN="+script)
	return cmd
}

func code(err error) int {
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // exec returns no other type
		return exit.ExitCode()
	}
	return 0
}

func TestStreamsAndExitCodesArePassedThrough(t *testing.T) {
	for script, want := range map[string]struct {
		out, err string
		code     int
	}{
		"cat; echo to the other >&2; exit 7": {"SOME INPUT", "TO THE OTHER\n", 7},
		"kill -TERM $$":                      {"", "", 143},
		"kill -KILL $$":                      {"", "", 137},
		"printf x; exec 1>&-; exit 3":        {"X", "", 3},
		"(trap '' HUP; exec </dev/null >/dev/null 2>&1; tail -f /dev/null) & echo $! >$PID": {"", "", 0},
	} {
		pid := filepath.Join(t.TempDir(), "pid")
		t.Cleanup(func() { kill(pid) })
		cmd := inner(t, script, "PID="+pid)
		var out, errs strings.Builder
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("some input"), &out, &errs
		if got := code(cmd.Run()); got != want.code || out.String() != want.out || errs.String() != want.err {
			t.Errorf("%s: %d %q %q", script, got, out.String(), errs.String())
		}
	}
}

func TestABackgroundProgramThatHoldsTheStreamsDelaysTheEndOnlyShortly(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	cmd := inner(t, "tail -f /dev/null & echo $! >"+pid+"; echo done")
	out, err := cmd.Output()
	if err != nil || string(out) != "DONE\n" {
		t.Errorf("%q %v", out, err)
	}
	kill(pid)
}

func kill(pid string) {
	raw, _ := os.ReadFile(pid)
	if n, err := strconv.Atoi(strings.TrimSpace(string(raw))); err == nil {
		_ = syscall.Kill(n, syscall.SIGKILL)
	}
}

// lines reads until it gets the wanted line.
func lines(t *testing.T, r io.Reader, want string) string {
	t.Helper()
	var all strings.Builder
	one := make([]byte, 1)
	for !strings.Contains(all.String(), want) {
		if _, err := r.Read(one); err != nil {
			t.Fatalf("%v after %q, before %q", err, all.String(), want)
		}
		all.Write(one)
	}
	return all.String()
}

func TestSignalsArePassedOn(t *testing.T) {
	for _, plain := range []string{"", "1"} {
		cmd := inner(t, `trap 'echo interrupted' INT; trap 'echo ended; exit 5' TERM; echo ready; while :; do read -r x || sleep 0.01; done`, "PURSER_TEST_PLAIN="+plain)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		say := func(text string) string {
			if plain == "" {
				return strings.ToUpper(text)
			}
			return text
		}
		lines(t, out, say("ready"))
		for _, c := range []struct {
			signal syscall.Signal
			want   string
		}{{syscall.SIGINT, "interrupted"}, {syscall.SIGTERM, "ended"}} {
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			lines(t, out, say(c.want))
		}
		if got := code(cmd.Wait()); got != 5 {
			t.Errorf("ended with %d", got)
		}
	}
}

func TestTheProgramEndsWithUsWhenWeAreKilled(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("only Linux ends a child with its parent: skipped")
	}
	cmd := inner(t, `echo $$; exec tail -f /dev/null`)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(lines(t, out, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 { // its end of the stream is closed, so it is gone
		t.Errorf("%q %v", rest, err)
	}
	_ = cmd.Wait()
	_ = syscall.Kill(pid, 0)
}

// TestTheTerminalIsKept runs everything in a terminal: the program sees one, with its size
// and keys.
func TestTheTerminalIsKept(t *testing.T) {
	for _, plain := range []string{"", "1"} {
		cmd := inner(t, `trap 'stty size' WINCH; test -t 0 && test -t 1 && test -t 2 && echo terminal; stty size; printf 'name? '; read -r name; echo "hello $name";
trap 'echo interrupted; exit 6' INT; echo ready; while :; do sleep 0.01; done`, "PURSER_TEST_PLAIN="+plain)
		tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 33, Cols: 77})
		if err != nil {
			t.Fatal(err)
		}
		say := func(text string) string {
			if plain == "" {
				return strings.ToUpper(text)
			}
			return text
		}
		lines(t, tty, say("terminal"))
		lines(t, tty, "33 77")
		lines(t, tty, say("name? "))
		if _, err := io.WriteString(tty, "purser\n"); err != nil {
			t.Fatal(err)
		}
		lines(t, tty, say("hello purser"))
		lines(t, tty, say("ready"))
		if err := pty.Setsize(tty, &pty.Winsize{Rows: 44, Cols: 88}); err != nil {
			t.Fatal(err)
		}
		lines(t, tty, "44 88")
		if _, err := io.WriteString(tty, "\x03"); err != nil {
			t.Fatal(err)
		}
		lines(t, tty, say("interrupted"))
		_, _ = io.Copy(io.Discard, tty)
		if got := code(cmd.Wait()); got != 6 {
			t.Errorf("ended with %d", got)
		}
		_ = tty.Close()
	}
}

func TestADeadlineEndsTheProgram(t *testing.T) {
	for script, want := range map[string]int{
		`trap 'exit 4' TERM; echo ready; while :; do sleep 0.01; done`: 4,
		`trap '' TERM; echo ready; while :; do sleep 0.01; done`:       128 + 9,
	} {
		ctx, stop := context.WithCancel(t.Context())
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() { lines(t, r, "ready"); stop() }()
		got, err := childproc.Command{
			Program: "/bin/sh", Args: []string{"-c", script}, Env: os.Environ(), Out: w, Err: w, After: after, DeadlineGrace: 50 * time.Millisecond,
		}.Run(ctx)
		if err != nil || got != want {
			t.Errorf("%s: %d %v", script, got, err)
		}
		_, _ = r.Close(), w.Close()
	}
}
