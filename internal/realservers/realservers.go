// Package realservers starts the third-party software that judges purser's tests: registries with a
// token server, an emulator of AWS Secrets Manager, and the clients that push images. Servers listen
// on free ports of loopback and stop when the test ends.
//
// A test is skipped if a program is missing, and the skip says how to install it. Only tests import
// this package. It imports nothing of purser, so that its results do not depend on what it judges.
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
	// startLimit bounds the wait for a server. The slowest takes about a second; the rest is for
	// loaded machines.
	startLimit = 30 * time.Second
	startPoll  = 10 * time.Millisecond
	// logTail is how many bytes of a server's log a failure shows.
	logTail = 4 << 10
)

// Need returns the path of a program, or skips the test without it. It looks in PATH, where
// `go install` puts programs, and where Debian puts servers.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, ok := find(program)
	if !ok {
		t.Skipf("skipped: %s is not installed; `make tools` installs it", program)
	}
	return path
}

func find(program string) (path string, ok bool) {
	var places []string
	if dir := os.Getenv("GOBIN"); dir != "" {
		places = append(places, filepath.Join(dir, program))
	}
	if program == "buildkite-agent" {
		// go install names it after the last element of the module path.
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

// freePort finds a free port below Linux's ephemeral range (32768 and up). In that range, another
// test's client could take the port before the server binds it.
func freePort(t testing.TB) int {
	t.Helper()
	const lowest, count, tries = 20000, 12000, 50
	var listen net.ListenConfig
	for range tries {
		port := lowest + rand.IntN(count) //nolint:gosec // not a secret
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

type server struct {
	name string
	log  string        // path of its output
	done chan struct{} // closed when it has exited
}

// start runs a server and kills it, with its children, when the test ends. A nil environment means
// the test's.
func start(t testing.TB, env []string, program string, args ...string) *server {
	t.Helper()
	s := &server{name: filepath.Base(program), done: make(chan struct{})}
	s.log = filepath.Join(t.TempDir(), s.name+".log")
	out, err := os.Create(s.log)
	if err != nil {
		t.Fatalf("start %s: %v", s.name, err)
	}
	// t.Context ends before the test's cleanups, which may still need the server.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, out, out
	dieWithUs(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", s.name, err)
	}
	go func() {
		_ = cmd.Wait() // the cleanup kills it; ready reports earlier failures
		_ = out.Close()
		close(s.done)
	}()
	t.Cleanup(func() {
		killGroup(cmd)
		<-s.done
	})
	return s
}

// ready waits until a GET of the address returns the status.
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
			t.Fatalf("%s exited; its log:\n%s", s.name, s.tail())
		case <-ctx.Done():
			t.Fatalf("GET %s = %d, %v after %v, want %d; the log of %s:\n%s",
				address, got, err, startLimit, want, s.name, s.tail())
		}
	}
}

func status(ctx context.Context, client *http.Client, address string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, fmt.Errorf("check whether the server is ready: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("check whether the server is ready: %w", err)
	}
	_ = res.Body.Close() // only the status matters
	return res.StatusCode, nil
}

// tail returns the end of the server's log.
func (s *server) tail() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	return string(text[max(0, len(text)-logTail):])
}

// cleanEnv hides this machine's settings: registries read REGISTRY_*, clients read logins from the
// home folder, and both read proxies.
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
