package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"purser/internal/realservers"
)

// TestTheContainerFile builds the image, runs it in a changed root with the machine's
// network, and asks it from outside by Docker Hub's names.
func TestTheContainerFile(t *testing.T) {
	buildah := realservers.Need(t, "buildah")
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("only root runs an image in a changed root: skipped")
	}
	dir, storage, shared := t.TempDir(), t.TempDir(), t.TempDir()
	command := func(args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), buildah, append([]string{"--root", storage, "--runroot", filepath.Join(storage, "run"), "--storage-driver", "vfs"}, args...)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+dir)
		return cmd
	}
	run := func(cmd *exec.Cmd) string {
		t.Helper()
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", cmd, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	run(build)
	image := run(command("bud", "--isolation", "chroot", "-q", "-f", "../../deploy/sandbox/Containerfile", dir))
	entry := run(command("inspect", "--type", "image", "--format", `{{range .OCIv1.Config.Entrypoint}}{{.}} {{end}}{{range .OCIv1.Config.Cmd}}{{.}} {{end}}`, image))
	if !strings.Contains(entry, "--listen 0.0.0.0:443") || !strings.Contains(entry, "--name sandbox") {
		t.Fatalf("the image runs %q", entry)
	}
	container := run(command("from", image))
	// The last flag wins: another port, on loopback, and another folder, because buildah
	// keeps an image's volumes to itself.
	args := append([]string{"run", "--isolation", "chroot", "-v", shared + ":/shared", container, "--"}, strings.Fields(entry)...)
	cmd := command(append(args, "--listen", "127.0.0.1:0", "--name", "localhost", "--folder", "/shared")...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{}
	for lines := bufio.NewScanner(out); variables["no_proxy"] == "" && lines.Scan(); { // it comes last
		name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		variables[name] = strings.Trim(value, "'")
	}
	if variables["SSL_CERT_FILE"] != "/shared/sandbox-ca.pem" {
		t.Fatalf("the variables are %v", variables)
	}
	pem, err := os.ReadFile(filepath.Join(shared, "sandbox-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	proxy, err := url.Parse(variables["HTTPS_PROXY"])
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: func(req *http.Request) (*url.URL, error) {
		if req.URL.Hostname() == "localhost" { // as NO_PROXY says
			return nil, nil // nil means no proxy
		}
		return proxy, nil
	}, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	for address, status := range map[string]int{
		"https://registry-1.docker.io/v2/": http.StatusUnauthorized, "https://hub.docker.com/v2/user/": http.StatusUnauthorized, "https://ghcr.io/v2/": http.StatusUnauthorized,
		variables["AWS_ENDPOINT_URL"] + "/": http.StatusBadRequest,
	} {
		resp, err := client.Get(address)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: %s", address, resp.Status)
		}
	}
	down := exec.CommandContext(t.Context(), filepath.Join(dir, "purser"), "sandbox", "down")
	down.Env = append(os.Environ(), "PURSER_SANDBOX="+shared)
	if out, err := down.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, said.String())
	}
}
