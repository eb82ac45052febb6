// Package realservers starts the real third-party software that purser's tests are
// judged by: registries with a token server, the emulator of AWS Secrets
// Manager, and the clients that push images. Everything listens on loopback, on
// free ports, and is stopped with the test that started it.
//
// A program that is not on the machine skips the test that needs it, and the
// skip says how to install it. Only tests import this package, and it imports
// nothing of ours: what it shows must not depend on what it judges.
package realservers

import (
	"context"
	"fmt"
	"go/build"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const (
	// startLimit bounds the wait for a server. The slowest needs about a second;
	// the rest is for machines that run many tests at once.
	startLimit = 30 * time.Second
	// startPoll is the time between two looks at a server that is starting.
	startPoll = 10 * time.Millisecond
	// logTail is how much of a server's log a failure shows, in bytes.
	logTail = 4 << 10
)

// Need returns the path of a program, or skips the test when the machine does
// not have it. Besides PATH it looks where `go install` puts programs and where
// Debian puts servers.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, ok := find(program)
	if !ok {
		t.Skipf("%s is not on this machine: skipped; `make tools` installs what the tests can use", program)
	}
	return path
}

func find(program string) (path string, ok bool) {
	var places []string
	if dir := os.Getenv("GOBIN"); dir != "" {
		places = append(places, filepath.Join(dir, program))
	}
	if program == "buildkite-agent" {
		// go install calls it by the last part of its module's path.
		if path, ok := find("agent"); ok {
			return path, true
		}
	}
	for _, gopath := range filepath.SplitList(build.Default.GOPATH) {
		places = append(places, filepath.Join(gopath, "bin", program))
	}
	places = append(places, program, filepath.Join("/usr/sbin", program))
	for _, place := range places {
		if path, err := exec.LookPath(place); err == nil {
			return path, true
		}
	}
	return "", false
}

// freePort finds a port that nobody listens on. It stays below the range from
// which Linux takes the ports of outgoing connections (32768 and up), or a
// client of another test could be given the port before the server binds it.
func freePort(t testing.TB) int {
	t.Helper()
	const lowest, count, tries = 20000, 12000, 50
	var listen net.ListenConfig
	for range tries {
		port := lowest + rand.IntN(count) //nolint:gosec // nothing depends on the port being hard to guess
		l, err := listen.Listen(t.Context(), "tcp", loopback(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			t.Fatalf("free a port: %v", err)
		}
		return port
	}
	t.Fatalf("no free port on loopback in %d tries", tries)
	return 0
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// server is a program that runs until the test ends.
type server struct {
	name string
	log  string        // path of what it prints
	done chan struct{} // closed when it has ended
}

// start runs a server and has it killed, with its children, when the test ends.
// A nil environment is the test's own.
func start(t testing.TB, env []string, program string, args ...string) *server {
	t.Helper()
	s := &server{name: filepath.Base(program), done: make(chan struct{})}
	s.log = filepath.Join(t.TempDir(), s.name+".log")
	out, err := os.Create(s.log)
	if err != nil {
		t.Fatalf("start %s: %v", s.name, err)
	}
	// Not bound to t.Context: that ends before the cleanups do, and a cleanup of
	// the test may still want to talk to the server.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
	dieWithUs(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", s.name, err)
	}
	go func() {
		_ = cmd.Wait() // it is killed in the end; before that, ready reports its log
		_ = out.Close()
		close(s.done)
	}()
	t.Cleanup(func() {
		killGroup(cmd)
		<-s.done
	})
	return s
}

// ready waits until the server answers a GET of the address with the status.
func (s *server) ready(t testing.TB, client *http.Client, address string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	poll := time.NewTicker(startPoll)
	defer poll.Stop()
	for {
		got, err := status(ctx, client, address)
		if err == nil && got == want {
			return
		}
		select {
		case <-poll.C:
		case <-s.done:
			t.Fatalf("%s ended at once; its log:\n%s", s.name, s.tail())
		case <-ctx.Done():
			t.Fatalf("GET %s = %d, %v after %v, want %d; the log of %s:\n%s",
				address, got, err, startLimit, want, s.name, s.tail())
		}
	}
}

func status(ctx context.Context, client *http.Client, address string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, fmt.Errorf("ask whether the server is ready: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask whether the server is ready: %w", err)
	}
	_ = res.Body.Close() // only the status matters
	return res.StatusCode, nil
}

// tail is the end of what the server printed.
func (s *server) tail() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	return string(text[max(0, len(text)-logTail):])
}

// cleanEnv is an environment in which programs see nothing of the machine that
// changes what they do: registries take settings from REGISTRY_*, clients take
// logins from the home folder, all of them take proxies.
func cleanEnv(home string, more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "LANG=C.UTF-8"}, more...)
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatalf("write for the real servers: %v", err)
	}
	return path
}
