//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"

	"purser/internal/realservers"
)

// looking is a program that prints what it finds in the image.
const looking = `package main

import (
	"crypto/x509"
	"fmt"
	"os"
)

func main() {
	roots, err := os.ReadFile(os.Getenv("SSL_CERT_FILE"))
	fmt.Println("user", os.Getuid(), "roots", err == nil && x509.NewCertPool().AppendCertsFromPEM(roots))
	fmt.Println("home", os.WriteFile(os.Getenv("HOME")+"/x", nil, 0o600), "tmp", os.WriteFile("/tmp/x", nil, 0o600))
	fmt.Println("system", os.WriteFile("/etc/x", nil, 0o600) != nil)
}
`

// aRelease returns a release whose archives hold the program above.
func aRelease(t *testing.T) release {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(looking), 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(dir, "program"), filepath.Join(dir, "main.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	binary, err := os.ReadFile(filepath.Join(dir, "program"))
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		var buf bytes.Buffer
		zip := gzip.NewWriter(&buf)
		w := tar.NewWriter(zip)
		for _, program := range []string{"LICENSE", "purser", "docker-credential-purser"} {
			_ = w.WriteHeader(&tar.Header{Name: program, Mode: 0o755, Size: int64(len(binary))})
			_, _ = w.Write(binary)
		}
		_, _ = w.Close(), zip.Close()
		if err := os.WriteFile(filepath.Join(dir, "purser_1.2.3_linux_"+arch+".tar.gz"), buf.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return release{version: "1.2.3", commit: "abc", source: "https://example.com/purser", date: time.Unix(1e9, 0), dist: dir}
}

func TestImagesArePushedAndRun(t *testing.T) {
	r := aRelease(t)
	registry := realservers.Registry2(t)
	crane := realservers.Need(t, "crane")
	config := realservers.DockerConfig(t, registry.Host, registry.Push.Name, registry.Push.Password)
	run := func(args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), crane, args...)
		cmd.Env = append(os.Environ(), "DOCKER_CONFIG="+config)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("crane %v: %v\n%s", args, err, &stderr)
		}
		return out
	}
	for _, program := range []string{"purser", "docker-credential-purser"} {
		to := filepath.Join(t.TempDir(), program)
		if err := r.write(program, to); err != nil {
			t.Fatal(err)
		}
		ref := registry.Host + "/" + registry.Repository + ":" + program
		run("push", "--index", to, ref)
		var image struct {
			Config struct {
				User       string
				Entrypoint []string
				Labels     map[string]string
			}
		}
		if err := json.Unmarshal(run("config", "--platform", "linux/arm64", ref), &image); err != nil {
			t.Fatal(err)
		}
		if c := image.Config; c.User != "65532:65532" || c.Labels["org.opencontainers.image.version"] != "1.2.3" || c.Labels["org.opencontainers.image.source"] != r.source {
			t.Errorf("%s: its configuration is %+v", program, c)
		}
		got := inside(t, run("export", "--platform", "linux/"+runtime.GOARCH, ref, "-"), image.Config.Entrypoint[0])
		if want := "user 65532 roots true\nhome <nil> tmp <nil>\nsystem true\n"; got != want {
			t.Errorf("%s: a program in its image prints\n%swant\n%s", program, got, want)
		}
	}
}

// inside unpacks a root file system and runs one of its programs as the image's user.
func inside(t *testing.T, archive []byte, program string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can chroot, so the image does not run")
	}
	root := t.TempDir()
	for dir := root; dir != "/"; dir = filepath.Dir(dir) { // the image's user must be able to enter them
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&1 == 0 {
			if err := os.Chmod(dir, info.Mode().Perm()|0o11); err != nil {
				t.Fatal(err)
			}
		}
	}
	untar := exec.CommandContext(t.Context(), "tar", "-xpf", "-", "-C", root)
	untar.Stdin = bytes.NewReader(archive)
	if out, err := untar.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.CommandContext(context.Background(), program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	cmd.Dir, cmd.Env = "/work", []string{"HOME=/home/nonroot", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v", program, err)
	}
	return string(out)
}

func TestTheSameReleaseGivesTheSameImages(t *testing.T) {
	r := aRelease(t)
	digest := func() string {
		to := t.TempDir()
		if err := r.write("purser", to); err != nil {
			t.Fatal(err)
		}
		index, err := layout.ImageIndexFromPath(to)
		if err != nil {
			t.Fatal(err)
		}
		d, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	if one, other := digest(), digest(); one != other {
		t.Errorf("%s, then %s", one, other)
	}
}

func TestAnImageNeedsItsProgramInTheRelease(t *testing.T) {
	r := aRelease(t)
	err := r.write("purser-lambda", t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "find purser-lambda") {
		t.Errorf("it says %v", err)
	}
	r.version = "9.9.9"
	if err := r.write("purser", t.TempDir()); err == nil || !strings.Contains(fmt.Sprint(err), "purser_9.9.9_linux_amd64.tar.gz") {
		t.Errorf("it says %v", err)
	}
}
