package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// inDebian runs in the empty Debian, after the package before was installed.
const inDebian = `set -eu
dpkg -i /tmp/before.deb >/dev/null
purser version
echo 'credentials: {docker: {registry: docker.io, username: mockserver, repositories: [mockserver/mockserver], store: {secret: demo}}}' >/etc/purser/purser.yaml
dpkg -i /tmp/now.deb >/dev/null
echo "after the upgrade:" $(dpkg-query -W -f '${Version}' purser) "$(cat /etc/purser/purser.yaml)"
man purser | head -n 1
bash -c '. /usr/share/bash-completion/bash_completion; _completion_loader purser; COMP_WORDS=(purser sto) COMP_CWORD=1 COMP_LINE="purser sto" COMP_POINT=10; __start_purser; echo "completed: ${COMPREPLY[*]}"'
purser sandbox try | tail -n 2
purser sandbox run --no-namespace -- sh -c '
  purser store docker --config /etc/purser/purser.yaml --create --token-stdin <"$PURSER_SANDBOX/push.token"
  echo https://index.docker.io/v1/ | docker-credential-purser get | sed "s/\"Secret\":\"[^\"]*\"/\"Secret\":\"(not shown)\"/"'
dpkg -P purser >/dev/null
echo "left: $(find / -xdev -name '*purser*' -not -path '/proc/*' -not -path '/var/cache/man/*' | tr '\n' ' ')"
`

// TestTheDebianPackageInstallsIntoAnEmptyDebian is over the package of make release-snapshot.
func TestTheDebianPackageInstallsIntoAnEmptyDebian(t *testing.T) {
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("debootstrap takes root on Linux")
	}
	for _, program := range []string{"debootstrap", "dpkg-deb", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing: the package was not installed", program)
		}
	}
	p := made(t)
	root := filepath.Join(t.TempDir(), "root")
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=dumb", "LC_ALL=C.UTF-8"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	debootstrap := exec.CommandContext(t.Context(), "debootstrap", "--variant=minbase", "--include=man-db,bash-completion", "bookworm", root)
	if out, err := debootstrap.CombinedOutput(); err != nil {
		t.Skipf("Debian's packages cannot be had here: the package was not installed\n%s", out)
	}
	now := filepath.Join(root, "tmp", "now.deb")
	run("cp", p.file(p.archive("linux_"+runtime.GOARCH, "deb")), now)
	// The package before is this one under a version that is lower than all.
	unpacked := filepath.Join(t.TempDir(), "before")
	run("dpkg-deb", "-R", now, unpacked)
	run("sed", "-i", "s/^Version: .*/Version: 0.0.0~0/", filepath.Join(unpacked, "DEBIAN", "control"))
	run("dpkg-deb", "-b", unpacked, filepath.Join(root, "tmp", "before.deb"))

	said := run("unshare", "--mount", "sh", "-c", `mount -t proc proc "$0/proc" && exec chroot "$0" sh -c "$1"`, root, inDebian)
	for _, want := range []string{
		"purser v", "after the upgrade: 0.", "credentials: {docker: ", "PURSER(1)", "completed: store", "The tour is over",
		`"Username":"mockserver"`, `"Secret":"(not shown)"`, "left: /etc/purser /etc/purser/purser.yaml \n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() {
		t.Log(said)
	}
}
