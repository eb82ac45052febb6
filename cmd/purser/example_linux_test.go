package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"purser/internal/realservers"
)

// TestTheSandboxWorksWithoutRoot runs a command in its own network as another user than root.
func TestTheSandboxWorksWithoutRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root starts programs as somebody else: skipped")
	}
	const nobody = 65534
	as := func(program string, args ...string) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return cmd
	}
	if out, err := as(realservers.Need(t, "unshare"), "--user", "--net", "--map-root-user", "true").CombinedOutput(); err != nil {
		t.Skipf("this system gives only root a network of its own: skipped: %s", out)
	}
	home, err := os.MkdirTemp("", "purser-nobody-") //nolint:usetesting // the folders of t.TempDir lie in one that only root enters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	build := exec.CommandContext(t.Context(), "go", "build", "-o", home, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, path := range []string{home, filepath.Join(home, "purser")} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	cmd := as(filepath.Join(home, "purser"), "sandbox", "run", "--", "sh", "-c",
		`id -u; grep -c registry-1.docker.io /etc/hosts; grep CapEff /proc/self/status; curl -sS https://hub.docker.com/v2/user/`)
	realservers.Need(t, "curl")
	cmd.Dir, cmd.Env = home, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home}
	out, err := cmd.CombinedOutput()
	want := "65534\n1\nCapEff:\t0000000000000000\n" + `{"detail":"unauthorized","errinfo":{},"message":"unauthorized"}`
	if got := strings.TrimSpace(string(out)); err != nil || got != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
}
