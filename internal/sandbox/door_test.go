package sandbox_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"purser/internal/sandbox"
)

// addresses lists everything that a sandbox listens on.
func addresses(t *testing.T, box *sandbox.Sandbox) (all []string) {
	t.Helper()
	vars, err := box.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range vars {
		_, value, _ := strings.Cut(v, "=")
		if u, err := url.Parse(value); err == nil && u.Port() != "" {
			all = append(all, u.Host)
		}
	}
	plain, err := url.Parse(box.SecretsManagerURL)
	if err != nil {
		t.Fatal(err)
	}
	return append(all, plain.Host, box.LambdaAPI)
}

func TestServersSurviveGarbage(t *testing.T) {
	box := startWith(t, sandbox.Options{Listen: "127.0.0.1:0"})
	t.Cleanup(func() { _ = box.Close() })
	noise := make([]byte, 4096)
	_, _ = rand.Read(noise)
	for _, garbage := range []string{
		string(noise), "\x16\x03\x01\xff\xff" + string(noise), "\x16", "GET", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{", "CONNECT nowhere HTTP/1.1\r\n\r\n",
		"CONNECT registry-1.docker.io:443 HTTP/1.1\r\nHost: registry-1.docker.io:443\r\n\r\n" + string(noise), strings.Repeat("A", 1<<20), "",
	} {
		for _, address := range addresses(t, box) {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.WriteString(conn, garbage) // the server may hang up first
			if half, ok := conn.(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s keeps a connection after %q", address, garbage[:min(20, len(garbage))])
			}
			_ = conn.Close()
		}
	}
	awsCall(t, box, "ListSecrets", "{}")
	registryCall(t, box, http.MethodGet, "/v2/", "", "")
}

func TestTheSandboxListensOnLoopbackOnly(t *testing.T) {
	box := startWith(t, sandbox.Options{})
	t.Cleanup(func() { _ = box.Close() })
	found := addresses(t, box)
	if len(found) < 5 {
		t.Fatalf("only %v", found)
	}
	for _, address := range found {
		host, _, err := net.SplitHostPort(address)
		if ip := net.ParseIP(host); err != nil || ip == nil || !ip.IsLoopback() {
			t.Errorf("%s is not on loopback: %v", address, err)
		}
	}
}

func TestOnePortServesEverything(t *testing.T) {
	box := startWith(t, sandbox.Options{Listen: "127.0.0.1:0", Name: "sandbox.example"})
	t.Cleanup(func() { _ = box.Close() })
	var at string
	for _, v := range must(box.Environment(t.TempDir())) {
		if rest, ok := strings.CutPrefix(v, "AWS_ENDPOINT_URL=https://sandbox.example:"); ok {
			at = "127.0.0.1:" + rest
		}
	}
	if at == "" {
		t.Fatal("AWS_ENDPOINT_URL does not use the name")
	}
	trusted := box.Transport().TLSClientConfig.RootCAs
	client := func(name string) *http.Client {
		return &http.Client{Transport: &http.Transport{
			DialContext:     func(context.Context, string, string) (net.Conn, error) { return net.Dial("tcp", at) },
			TLSClientConfig: &tls.Config{RootCAs: trusted, ServerName: name, MinVersion: tls.VersionTLS12},
		}}
	}
	for address, status := range map[string]int{
		"https://registry-1.docker.io/v2/": 401, "https://hub.docker.com/v2/user/": 401, "https://login.docker.com/oauth/x": 404, "https://ghcr.io/v2/": 401,
		"https://sandbox.example/": 400, "https://sandbox.example/federation/credentials": 401,
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client(u.Hostname()).Get(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %s, want %d", address, resp.Status, status)
		}
	}
	other := startWith(t, sandbox.Options{Listen: "127.0.0.1:0", Name: "192.0.2.7"})
	t.Cleanup(func() { _ = other.Close() })
	for _, v := range must(other.Environment(t.TempDir())) {
		rest, ok := strings.CutPrefix(v, "AWS_ENDPOINT_URL=https://192.0.2.7:")
		if !ok {
			continue
		}
		conn, err := tls.Dial("tcp", "127.0.0.1:"+rest, &tls.Config{RootCAs: other.Transport().TLSClientConfig.RootCAs, ServerName: "192.0.2.7", MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	if _, err := sandbox.Start(t.Context(), sandbox.Options{Listen: at}); !errors.Is(err, sandbox.ErrListen) {
		t.Errorf("a second sandbox on the port: %v", err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
