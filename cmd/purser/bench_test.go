package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/present"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/wire"
)

// BenchmarkCheck and BenchmarkStatus measure whole commands over the sandbox. 200
// credentials should take little longer than one batch.
func BenchmarkCheck(b *testing.B)  { overCredentials(b, "check") }
func BenchmarkStatus(b *testing.B) { overCredentials(b, "status") }

func overCredentials(b *testing.B, command string) {
	b.Helper()
	for _, n := range []int{1, 16, 48, 200} {
		b.Run(fmt.Sprintf("%d credentials", n), func(b *testing.B) {
			a := stocked(b, n)
			for b.Loop() {
				if code := run(b.Context(), []string{command}, a); code != present.ExitOK {
					b.Fatalf("%s ended with code %d", command, code)
				}
			}
		})
	}
}

// BenchmarkFleet compares rotate --due with nothing due, check and status, over 200
// credentials of one account, with slow answers of AWS and the registry. purser finds its
// own tokens in the registry's list, and has to check those that somebody stored by hand.
func BenchmarkFleet(b *testing.B) {
	const credentials = 200
	for _, made := range []string{"by purser", "by hand"} {
		f := newFleet(b, credentials, "every: 90d, overlap: 1h")
		if made == "by hand" {
			f.byHand(credentials)
		} else {
			f.purser(present.ExitOK, "rotate", "--all")
		}
		f.box.SecretsManager.Fault("", sandboxaws.Fault{Delay: delay, Times: -1})
		f.app.transport = slow{f.app.transport}
		for _, args := range [][]string{{"status"}, {"check"}, {"rotate", "--due"}} {
			b.Run("made "+made+"/"+strings.Join(args, " "), func(b *testing.B) {
				for b.Loop() {
					f.purser(present.ExitOK, args...)
				}
			})
		}
	}
}

// slow is a distant registry.
type slow struct{ next http.RoundTripper }

// RoundTrip sends a request after a delay.
func (s slow) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case <-time.After(delay):
	}
	return s.next.RoundTrip(r)
}

// BenchmarkSandboxUp measures purser sandbox up without the stop.
func BenchmarkSandboxUp(b *testing.B) {
	bin, dir := b.TempDir(), b.TempDir()
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	purser := func(env []string, args ...string) []byte {
		cmd := exec.CommandContext(b.Context(), filepath.Join(bin, "purser"), args...)
		cmd.Dir, cmd.Env = dir, append(env, "HOME="+dir, "TMPDIR="+dir)
		out, err := cmd.Output()
		if err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	for b.Loop() {
		var up saidJSON
		if err := json.Unmarshal(purser(nil, "sandbox", "up", "--output", "json"), &up); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		purser([]string{"PURSER_SANDBOX=" + up.Sandbox.Folder}, "sandbox", "down")
		b.StartTimer()
	}
}

// delay is the least that a call to AWS or Docker Hub takes from a laptop. Without it
// nobody would see whether calls overlap.
const delay = 20 * time.Millisecond

// stocked returns purser in a sandbox with n credentials.
func stocked(b *testing.B, n int) *app {
	b.Helper()
	box, err := sandbox.Start(b.Context(), sandbox.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = box.Close() })
	var text strings.Builder
	text.WriteString("aws: {region: eu-west-2}\ncredentials:\n")
	for i := range n {
		fmt.Fprintf(&text, "  c%03d: {registry: docker.io, username: mockserver, repositories: [mockserver/mockserver], store: {secret: bench/c%03d}}\n", i, i)
	}
	dir := b.TempDir()
	writeFile(b, dir+"/"+config.FileName, text.String())
	a := &app{
		env: config.Environment{Home: dir}, out: io.Discard, err: io.Discard, now: time.Now, random: rand.Reader,
		transport: box.Transport(), aws: &wire.LocalAWS{Endpoint: box.SecretsManagerURL}, dir: dir,
	}
	for i := range n {
		a.in = strings.NewReader(box.PushToken.Reveal())
		if code := run(context.Background(), []string{"store", fmt.Sprintf("c%03d", i), "--create", "--token-stdin"}, a); code != present.ExitOK {
			b.Fatalf("store ended with code %d", code)
		}
	}
	for _, operation := range []string{"DescribeSecret", "GetSecretValue"} {
		box.SecretsManager.Fault(operation, sandboxaws.Fault{Delay: delay, Times: -1})
	}
	return a
}
