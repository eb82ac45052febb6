package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// exposure is the most that systemd-analyze may find, times ten. What remains is the network.
const exposure = "11"

// units returns a root with the package's files and with empty units in place of systemd's.
func units(p product) string {
	p.Helper()
	p.need("systemd-analyze")
	root := p.unpack(p.archive("linux_amd64", "deb"))
	for _, unit := range []string{"sysinit", "basic", "shutdown", "timers", "time-set", "time-sync", "network-online"} {
		if err := os.WriteFile(filepath.Join(root, "usr/lib/systemd/system", unit+".target"), []byte("[Unit]\nDescription="+unit+"\n"), 0o600); err != nil {
			p.Fatal(err)
		}
	}
	return root
}

func TestSystemdAcceptsTheUnits(t *testing.T) {
	p := made(t)
	root := units(p)
	verify := func() (string, error) {
		out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", "--root="+root, "purser-check.timer", "purser-rotate.timer", "purser-check.service", "purser-rotate.service").CombinedOutput()
		return string(out), err
	}
	if out, err := verify(); err != nil || out != "" {
		t.Errorf("%v\n%s", err, out)
	}
	for _, name := range []string{"purser-check", "purser-rotate"} {
		if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--no-pager", "--root="+root, "--threshold="+exposure, name+".service").CombinedOutput(); err != nil {
			t.Errorf("%s is more exposed than %s/10: %v\n%s", name, exposure, err, out)
		}
	}
	hardening := filepath.Join(root, "usr/lib/systemd/system/purser-.service.d/10-hardened.conf")
	if err := os.WriteFile(hardening, []byte("[Service]\nProtectTheClock=yes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := verify(); !strings.Contains(out, "ProtectTheClock") {
		t.Errorf("systemd does not read the hardening of both services\n%s", out)
	}
}

// TestTheServicesAllowWhatPurserCalls: systemd kills a process at a system call that the filter
// lacks, so a filter that is too narrow stops the rotation.
func TestTheServicesAllowWhatPurserCalls(t *testing.T) {
	p := made(t)
	root := units(p)
	p.need("strace")
	hardening, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/purser-.service.d/10-hardened.conf"))
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	var add func(name string, allow bool)
	add = func(name string, allow bool) {
		if !strings.HasPrefix(name, "@") {
			allowed[name] = allow
			return
		}
		for line := range strings.Lines(p.run("systemd-analyze", "syscall-filter", "--no-pager", name)) {
			if call := strings.TrimSpace(line); call != name && call != "" && !strings.HasPrefix(call, "#") {
				add(call, allow)
			}
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.*)$`).FindAllStringSubmatch(string(hardening), -1) {
		for _, name := range strings.Fields(m[2]) {
			add(name, m[1] == "")
		}
	}
	if !allowed["read"] || allowed["reboot"] {
		t.Fatal("the filter was not understood")
	}
	t.Setenv("PATH", filepath.Join(root, "usr/bin")+":"+os.Getenv("PATH"))
	dir := t.TempDir()
	config := "credentials: {docker: {registry: docker.io, username: mockserver, repositories: [mockserver/mockserver], store: {secret: demo}, rotate: {every: 90d}}}\n"
	if err := os.WriteFile(filepath.Join(dir, "purser.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run("purser", "sandbox", "run", "--no-namespace", "--", "sh", "-euc", `cd "$0"
purser store docker --create --token-stdin <"$PURSER_SANDBOX/push.token"
strace -f -qq -o check.calls purser check --output json
strace -f -qq -o rotate.calls purser sandbox try rotation`, dir)
	for _, name := range []string{"check", "rotate"} {
		raw, err := os.ReadFile(filepath.Join(dir, name+".calls"))
		if err != nil {
			t.Fatal(err)
		}
		calls := regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`).FindAllStringSubmatch(string(raw), -1)
		if len(calls) < 100 {
			t.Fatalf("strace saw %d calls of %s", len(calls), name)
		}
		denied := map[string]bool{}
		for _, m := range calls {
			if !allowed[m[1]] && !denied[m[1]] {
				denied[m[1]] = true
				t.Errorf("purser %s calls %s, and systemd would kill it", name, m[1])
			}
		}
	}
}
