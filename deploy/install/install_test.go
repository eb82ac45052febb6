// Package install tests install.sh against a release on loopback.
package install

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// shells are those that people pipe an installer into.
var shells = map[string][]string{"dash": {"dash"}, "bash": {"bash", "--posix"}, "busybox": {"busybox", "sh"}}

// release is what a test changes before it serves it: a version's files by their names.
type release map[string][]byte

// releaseOf makes a release whose programs print what they are.
func releaseOf(version string) release {
	var buf bytes.Buffer
	zip := gzip.NewWriter(&buf)
	archive := tar.NewWriter(zip)
	for _, program := range []string{"purser", "docker-credential-purser", "LICENSE"} {
		body := "#!/bin/sh\necho " + program + " " + version + "\n"
		_ = archive.WriteHeader(&tar.Header{Name: program, Mode: 0o755, Size: int64(len(body))})
		_, _ = archive.Write([]byte(body))
	}
	_ = archive.Close()
	_ = zip.Close()
	r := release{}
	var sums strings.Builder
	for _, arch := range []string{"amd64", "arm64"} {
		name := fmt.Sprintf("purser_%s_linux_%s.tar.gz", strings.TrimPrefix(version, "v"), arch)
		r[name] = buf.Bytes()
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(buf.Bytes()), name)
	}
	r["checksums.txt"], r["checksums.txt.sigstore.json"] = []byte(sums.String()), []byte("{}")
	return r
}

func archiveOf(version string) string {
	return fmt.Sprintf("purser_%s_linux_%s.tar.gz", version, runtime.GOARCH)
}

// home serves releases where GitHub does.
func home(t *testing.T, versions []string, releases map[string]release) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /releases.atom", func(w http.ResponseWriter, _ *http.Request) {
		for _, v := range versions {
			_, _ = fmt.Fprintf(w, "<entry><link rel=\"alternate\" type=\"text/html\" href=\"https://example.com/purser/releases/tag/%s\"/></entry>\n", v)
		}
	})
	mux.HandleFunc("GET /releases/download/{version}/{file}", func(w http.ResponseWriter, req *http.Request) {
		data, ok := releases[req.PathValue("version")][req.PathValue("file")]
		if !ok {
			http.NotFound(w, req)
			return
		}
		_, _ = w.Write(data)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func TestTheInstallerInstallsWhatItVerified(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the archives of this test are for Linux")
	}
	cases := map[string]struct {
		args     []string
		env      []string
		programs map[string]string // that stand before those of the machine
		change   func(release)     // of v1.1.0
		want     string
		fails    bool
	}{
		"the latest that is no candidate": {want: "purser v1.1.0 is in "},
		"the version that is asked for":   {args: []string{"--version", "1.0.0"}, want: "purser v1.0.0 is in "},
		"an unknown version":              {args: []string{"--version", "v9.9.9"}, want: "there is no release v9.9.9; there are: v1.2.0-rc.1 v1.1.0 v1.0.0", fails: true},
		"a version that is a path":        {args: []string{"--version", "../../x"}, want: "must look like v1.2.3", fails: true},
		"a tampered archive":              {change: func(r release) { r[archiveOf("1.1.0")] = append([]byte("x"), r[archiveOf("1.1.0")]...) }, want: "is not what the release's checksums say: nothing was installed", fails: true},
		"a release that is half uploaded": {change: func(r release) { delete(r, "checksums.txt") }, want: "may still be uploading", fails: true},
		"an archive that is not there":    {change: func(r release) { delete(r, archiveOf("1.1.0")) }, want: "may still be uploading", fails: true},
		"no archive for this machine":     {change: func(r release) { r["checksums.txt"] = []byte("0  other\n") }, want: "has no purser_1.1.0_linux_", fails: true},
		"another kind of processor":       {programs: map[string]string{"uname": `[ "$1" = -m ] && echo riscv64 || echo Linux`}, want: "there is no archive for riscv64", fails: true},
		"another system":                  {programs: map[string]string{"uname": "echo Plan9"}, want: "there is no archive for Plan9", fails: true},
		"a good signature":                {programs: map[string]string{"cosign": `case "$*" in *'--certificate-identity-regexp ^http'*'/\.github/workflows/release\.yml@refs/tags/v'*) ;; *) exit 1;; esac`}, want: "the signature is verified"},
		"a signature by a key":            {env: []string{"PURSER_COSIGN_KEY=/keys/cosign.pub"}, programs: map[string]string{"cosign": `case "$*" in *'--key /keys/cosign.pub'*) ;; *) exit 1;; esac`}, want: "the signature is verified"},
		"a bad signature":                 {programs: map[string]string{"cosign": "echo invalid signature >&2; exit 1"}, want: "not signed by this project: nothing was installed", fails: true},
		"no signature":                    {programs: map[string]string{"cosign": "exit 0"}, change: func(r release) { delete(r, "checksums.txt.sigstore.json") }, want: "the release may be incomplete", fails: true},
		"a signature that must be there":  {env: []string{"PURSER_SIGNATURE=required"}, want: "cosign is not installed, so the signature cannot be verified", fails: true},
		"a network that is not there":     {env: []string{"PURSER_HOME=http://127.0.0.1:1"}, want: "is the network there", fails: true},
		"a copy that knows no home":       {env: []string{"PURSER_HOME=@HOME@"}, want: "does not know where releases are", fails: true},
		"a folder that cannot be made":    {args: []string{"--to", "/dev/null/bin"}, want: "choose another folder with --to", fails: true},
		"a folder off the PATH":           {want: "is not on your PATH; add it: export PATH="},
		"an argument that does not exist": {args: []string{"--force"}, want: "unknown argument --force", fails: true},
		"an argument without its value":   {args: []string{"--to"}, want: "--to needs a value", fails: true},
	}
	for shell, command := range shells {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Logf("%s is not here: the installer is not tried in it", shell)
			continue
		}
		for name, c := range cases {
			t.Run(shell+"/"+name, func(t *testing.T) {
				t.Parallel()
				latest := releaseOf("v1.1.0")
				if c.change != nil {
					c.change(latest)
				}
				url := home(t, []string{"v1.2.0-rc.1", "v1.1.0", "v1.0.0"}, map[string]release{"v1.0.0": releaseOf("v1.0.0"), "v1.1.0": latest})
				user := t.TempDir()
				out, err := run(t, command, c.args, append([]string{"HOME=" + user, "PURSER_HOME=" + url}, c.env...), c.programs)
				if (err != nil) != c.fails || !strings.Contains(out, c.want) {
					t.Errorf("error %v; want failure: %v, and in its words: %s\n%s", err, c.fails, c.want, out)
				}
				left, _ := os.ReadDir(filepath.Join(user, ".local", "bin"))
				if want := map[bool]int{false: 2, true: 0}[c.fails]; len(left) != want {
					t.Errorf("%d files were installed, want %d: %v", len(left), want, left)
				}
			})
		}
	}
}

// run pipes the installer into a shell, where neither cosign nor a proxy of the machine is found.
func run(t *testing.T, shell, args, env []string, programs map[string]string) (string, error) {
	t.Helper()
	script, err := os.Open("install.sh")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = script.Close() }()
	bin, tmp := t.TempDir(), t.TempDir()
	// As root the programs would go to where the machine has its own.
	programs = maps.Clone(programs)
	if programs == nil {
		programs = map[string]string{}
	}
	programs["id"] = "echo 1000"
	for name, body := range programs {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	stdin := append(append(append([]string{}, shell[1:]...), "-s", "--"), args...)
	cmd := exec.CommandContext(context.Background(), shell[0], stdin...)
	cmd.Stdin = script
	cmd.Env = append([]string{"PATH=" + bin + ":/usr/bin:/bin", "TMPDIR=" + tmp}, env...)
	out, err := cmd.CombinedOutput()
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("it leaves %v behind", left)
	}
	return string(out), err
}

func TestHalfAnInstallerRunsNothing(t *testing.T) {
	script, err := os.ReadFile("install.sh")
	if err != nil {
		t.Fatal(err)
	}
	for cut := len(script) / 4; cut < len(script)-len("main \"$@\"\n"); cut += len(script) / 7 {
		cmd := exec.CommandContext(context.Background(), "sh")
		cmd.Stdin = bytes.NewReader(script[:cut])
		user := t.TempDir()
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + user, "PURSER_HOME=http://127.0.0.1:1"}
		_ = cmd.Run()
		if left, _ := os.ReadDir(user); len(left) != 0 {
			t.Errorf("cut after %d bytes it makes %v", cut, left)
		}
	}
}
