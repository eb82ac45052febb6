//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/practice"
	"purser/internal/present"
	"purser/internal/sandbox"
	"purser/internal/wire"
)

// ends is a process to end, with its output.
type ends struct {
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	done      chan struct{}
}

func (r *rehearsal) begin(args ...string) *ends {
	r.Helper()
	e := &ends{cmd: r.process(args...), done: make(chan struct{})}
	e.cmd.Stdout, e.cmd.Stderr = &e.out, &e.errs
	if err := e.cmd.Start(); err != nil {
		r.Fatal(err)
	}
	return e
}

// promptly is far more than the second that purser takes, and far less than any other
// limit.
const promptly = 4 * time.Second

// saysWhy checks what people and scripts learn of a command that was ended: by what, why,
// what to do, with exit code 6 and without a word of Go's contexts.
func saysWhy(t *testing.T, what, by string, code int, asJSON bool, out, errs string) {
	t.Helper()
	said := out + errs
	if code != present.ExitUnknown {
		t.Errorf("%s: exit code %d\n%s", what, code, said)
	}
	for _, word := range []string{"context canceled", "context deadline exceeded"} {
		if strings.Contains(said, word) {
			t.Errorf("%s: it says %q:\n%s", what, word, said)
		}
	}
	for _, want := range []string{by, "why", "next"} {
		if !strings.Contains(said, want) {
			t.Errorf("%s: it does not say %q:\n%s", what, want, said)
		}
	}
	if !asJSON {
		return
	}
	var r saidJSON
	dec := json.NewDecoder(strings.NewReader(out))
	if err := dec.Decode(&r); err != nil || r.Exit != present.ExitUnknown || dec.Decode(&struct{}{}) != io.EOF {
		t.Errorf("%s: not one report: %v\n%s", what, err, said)
	}
}

// TestEveryCommandEndsAtEveryRequest lets each request of each command hang, and ends the
// command by a signal or --timeout.
func TestEveryCommandEndsAtEveryRequest(t *testing.T) {
	if raceDetector {
		t.Skip("skipped: it runs once more without the race detector, which makes each of its processes slow")
	}
	for name, args := range map[string][]string{
		"store": {"store", "dockerhub", "--mint", "--yes"}, "check": {"check"}, "status": {"status"}, "doctor": {"doctor"},
		"rotate": {"rotate", "dockerhub", "--force", "--yes", "--now"}, "rollback": {"rollback", "dockerhub", "--yes"},
		"revoke": {"revoke", "dockerhub", "--yes"}, "respond": {"respond", "dockerhub", "--yes", "--record", "incidents"}, "tokens": {"tokens", "list", "--yes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRehearsal(t)
			if name == "rollback" {
				if out, err := r.run("rotate", "dockerhub", "--force", "--yes"); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
			n := 1
			for how := []string{"SIGTERM", "SIGINT", "--timeout"}; r.hang(how[n%len(how)], n, args); n++ {
			}
			t.Logf("%d requests", n-1)
			if n < 2 {
				t.Error("it makes no request")
			}
		})
	}
}

// hang ends a command at its request n. It returns false if there are fewer requests.
func (r *rehearsal) hang(how string, n int, args []string) bool {
	what := strings.Join(args, " ") + ", by " + how + " at request " + strconv.Itoa(n)
	if n%2 == 0 {
		args = append(slices.Clone(args), "--output", "json")
	}
	if how == "--timeout" {
		args = append(slices.Clone(args), "--timeout", "2s")
	}
	struck, ended := make(chan struct{}), make(chan struct{})
	r.arm(n, false, func() {
		close(struck)
		<-ended
		panic(http.ErrAbortHandler) // it has no effect
	})
	e := r.begin(args...)
	go func() {
		_ = e.cmd.Wait()
		close(e.done)
	}()
	select {
	case <-e.done:
	case <-struck:
		if s, ok := map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": os.Interrupt}[how]; ok {
			_ = e.cmd.Process.Signal(s)
		}
		select {
		case <-e.done:
		case <-time.After(promptly):
			_ = e.cmd.Process.Kill()
			<-e.done
			r.Errorf("%s: it does not end\n%s%s", what, e.out.String(), e.errs.String())
		}
	}
	close(ended)
	if code := e.cmd.ProcessState.ExitCode(); !r.struck() && code != present.ExitUnknown { // --timeout may come first
		if code != present.ExitOK && code != present.ExitFailed {
			r.Errorf("%s: exit code %d\n%s%s", what, code, e.out.String(), e.errs.String())
		}
		return false
	}
	if e.cmd.ProcessState.ExitCode() == present.ExitOK && slices.Contains(args, "--yes") && args[0] != "tokens" {
		return true // its work was done by then
	}
	saysWhy(r.T, what, how, e.cmd.ProcessState.ExitCode(), n%2 == 0, e.out.String(), e.errs.String())
	return true
}

// blocking is a stream without data. It reports its first read.
type blocking struct{ reading chan struct{} }

func (b blocking) Read([]byte) (int, error) {
	close(b.reading)
	select {}
}

// TestWhatWaitsForAPersonEnds ends waits that have no limit.
func TestWhatWaitsForAPersonEnds(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	dir := t.TempDir()
	fifo, signers := filepath.Join(dir, "fifo"), filepath.Join(dir, "signers")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	writeFile(t, signers, "")
	create(t, box)
	for name, args := range map[string][]string{
		"standard input": {"store", "dockerhub", "--token-stdin"}, "the form": {"store", "dockerhub", "--from", "form"},
		"receipts on standard input": {"receipt", "verify", "-", "--signers", signers}, "receipts in a FIFO": {"receipt", "verify", fifo, "--signers", signers},
	} {
		for _, how := range []string{"SIGTERM", "SIGINT", "--timeout"} {
			for _, form := range []string{"text", "json"} {
				t.Run(name+" by "+how+" as "+form, func(t *testing.T) {
					t.Parallel()
					waitAndEnd(t, box, how, append(slices.Clone(args), "--output", form))
				})
			}
		}
	}
}

// waitAndEnd starts a wait and ends it.
func waitAndEnd(t *testing.T, box *sandbox.Sandbox, how string, args []string) {
	t.Helper()
	ctx, end := context.WithCancelCause(t.Context())
	defer end(nil)
	in := blocking{make(chan struct{})}
	a, out, said := quietApp(t, box)
	a.in = in
	switch how {
	case "--timeout":
		args = append(args, how, "1s")
	case "SIGINT":
		go endOnce(in.reading, said.heard, func() { end(interrupted(os.Interrupt)) })
	default:
		go endOnce(in.reading, said.heard, func() { end(interrupted(syscall.SIGTERM)) })
	}
	if strings.Contains(args[2], "fifo") && how != "--timeout" {
		end(interrupted(map[string]os.Signal{"SIGINT": os.Interrupt, "SIGTERM": syscall.SIGTERM}[how])) // nothing shows that purser opens it
	}
	code := make(chan int, 1)
	go func() { code <- run(ctx, args, a) }()
	select {
	case got := <-code:
		saysWhy(t, strings.Join(args, " "), how, got, slices.Contains(args, "json"), out.String(), said.String())
	case <-time.After(promptly):
		t.Fatalf("%v: it does not end", args)
	}
}

func endOnce(reading, heard <-chan struct{}, end func()) {
	select {
	case <-reading:
	case <-heard:
	}
	end()
}

// create makes the running example's secret, empty.
func create(t *testing.T, box *sandbox.Sandbox) {
	t.Helper()
	w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: box.SecretsManagerURL}}
	s, err := w.Store(t.Context(), credential.Credential{}, credential.Target{Kind: "secret", Name: "mockserver-build/dockerhub", Region: "eu-west-2"})
	if err == nil {
		err = s.Create(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestASecondSignalEndsAtOnce: the first signal does not stop this process.
func TestASecondSignalEndsAtOnce(t *testing.T) {
	for _, by := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := exec.Command(os.Args[0])
		cmd.Args = []string{"stubborn-purser"}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() { // it reports that it is ready, then the first signal
			if err := cmd.Process.Signal(by); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Wait()
		if got, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !got.Signaled() || got.Signal() != by {
			t.Errorf("by %v it ended with %v", by, cmd.ProcessState)
		}
	}
}

// TestACommandThatHangsIsCutOff covers what no context can end.
func TestACommandThatHangsIsCutOff(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = box.Close() }()
	create(t, box)
	for _, form := range []string{"text", "json"} {
		ctx, end := context.WithCancelCause(t.Context())
		stuck := blocking{make(chan struct{})}
		a, out, errs := quietApp(t, box)
		a.in, a.random = strings.NewReader(box.PushToken.Reveal()), stuck
		go func() {
			<-stuck.reading
			end(interrupted(syscall.SIGTERM))
		}()
		code := run(ctx, []string{"store", "dockerhub", "--token-stdin", "--output", form}, a)
		saysWhy(t, form, "SIGTERM", code, form == "json", out.String(), errs.String())
	}
}

// quietApp returns purser with the stand-ins, without a terminal.
func quietApp(t *testing.T, box *sandbox.Sandbox) (a *app, out *transcript, errs *spoken) {
	t.Helper()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "purser.yaml"), strings.Replace(practice.TourConfig, "profile: mockserver-build, ", "", 1))
	out, errs = &transcript{}, &spoken{word: "http://127.0.0.1", heard: make(chan struct{})}
	return &app{
		env: config.Environment{Home: dir, Browser: "none"}, in: strings.NewReader(""), out: out, err: errs, now: time.Now, random: rand.Reader,
		transport: box.Transport(), aws: &wire.LocalAWS{Endpoint: box.SecretsManagerURL}, dir: dir, tty: present.Terminal{Path: filepath.Join(dir, "no terminal")},
	}, out, errs
}
