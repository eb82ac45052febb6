package install

import (
	"archive/tar"
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// machines are a shell that people pipe the installer into, and the programs beside it. busybox
// stands for Alpine: all programs are its own.
var machines = map[string]struct {
	shell, without []string
	busybox        bool
}{
	"dash and curl":     {shell: []string{"dash"}, without: []string{"wget"}},
	"bash and wget":     {shell: []string{"bash", "--posix"}, without: []string{"curl"}},
	"busybox sh, alone": {shell: []string{"busybox", "sh"}, busybox: true},
}

// needed are the programs that the installer calls.
var needed = []string{
	"awk", "cat", "chmod", "cosign", "cp", "curl", "cut", "find", "grep", "gzip", "head", "id", "mkdir", "mktemp", "mv", "rm", "sed", "sh", "sha256sum",
	"tail", "tar", "tr", "uname", "wget",
}

// installation is a run of the installer.
type installation struct {
	shell    []string
	bin      string            // the machine's programs
	programs map[string]string // that stand before those of the machine
	args     []string
	env      []string
	user     string // the home folder
	script   []byte
}

// on prepares a run on a machine.
func on(t *testing.T, machine string) *installation {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the archives of this test are for Linux")
	}
	m := machines[machine]
	if _, err := exec.LookPath(m.shell[0]); err != nil {
		t.Skipf("%s is missing: the installer was not tried in it", m.shell[0])
	}
	i := &installation{shell: slices.Clone(m.shell), bin: t.TempDir(), user: t.TempDir(), script: script}
	i.shell[0], _ = exec.LookPath(m.shell[0])
	for _, name := range needed {
		path, err := exec.LookPath(name)
		if m.busybox {
			path = i.shell[0]
		}
		// A cosign of this machine would refuse the signatures of these tests.
		if err != nil || name == "cosign" || slices.Contains(m.without, name) || m.busybox && name == "curl" {
			continue
		}
		if err := os.Symlink(path, filepath.Join(i.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return i
}

// run pipes the installer into the shell.
func (i *installation) run(t *testing.T) (out string, err error) {
	t.Helper()
	bin, tmp := t.TempDir(), t.TempDir()
	if !slices.Contains(i.args, "--to") && i.programs["id"] == "" {
		// As root the installer would write to the machine's own folder.
		write(t, filepath.Join(bin, "id"), "#!/bin/sh\necho 1000\n")
	}
	for name, body := range i.programs {
		write(t, filepath.Join(bin, name), "#!/bin/sh\n"+body+"\n")
	}
	cmd := exec.CommandContext(t.Context(), i.shell[0], append(append(slices.Clone(i.shell[1:]), "-s", "--"), i.args...)...)
	cmd.Stdin, cmd.Dir = bytes.NewReader(i.script), i.user
	cmd.Env = append([]string{"PATH=" + bin + ":" + i.bin, "TMPDIR=" + tmp, "HOME=" + i.user}, i.env...)
	said, err := cmd.CombinedOutput()
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		t.Errorf("it leaves %v behind", left)
	}
	return string(said), err
}

// installed lists what is in the folder that the installer chooses.
func (i *installation) installed() []string { return names(filepath.Join(i.user, ".local", "bin")) }

func names(dir string) (all []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

var both = []string{"docker-credential-purser", "purser"}

// listed are the versions of the tests' homes.
var listed = []string{"v1.2.0-rc.1", "v1.1.0", "v1.0.0"}

// page is what a network's sign-in page answers for every address.
var page = []byte("<!DOCTYPE html>\n<html><body>Sign in to the network</body></html>\n")

func TestTheInstallerInstallsWhatItVerified(t *testing.T) {
	archive := ArchiveName("v1.1.0")
	for name, c := range map[string]struct {
		args     []string
		env      []string
		programs map[string]string
		change   func(Release) // of v1.1.0
		want     string
		fails    bool
	}{
		"the latest stable version":       {want: "purser v1.1.0 is installed in "},
		"a named version":                 {args: []string{"--version", "1.0.0"}, want: "purser v1.0.0 is installed in "},
		"an unknown version":              {args: []string{"--version", "v9.9.9"}, want: "release v9.9.9 does not exist; these do: v1.2.0-rc.1 v1.1.0 v1.0.0", fails: true},
		"a pre-release that has no files": {args: []string{"--version", "v1.2.0-rc.1"}, want: "cannot download the checksums of v1.2.0-rc.1: the release may still be uploading", fails: true},

		"a tampered archive":                 {change: func(r Release) { r[archive] = append([]byte("x"), r[archive]...) }, want: "does not match the release's checksums, so nothing was installed", fails: true},
		"an archive that was cut off":        {change: func(r Release) { r[archive] = r[archive][:100] }, want: "does not match the release's checksums, so nothing was installed; it may still be uploading", fails: true},
		"a page instead of the archive":      {change: func(r Release) { r[archive] = page }, want: "does not match the release's checksums", fails: true},
		"a release without its checksums":    {change: func(r Release) { delete(r, "checksums.txt") }, want: "cannot download the checksums of v1.1.0: the release may still be uploading, so try again", fails: true},
		"a release without its archive":      {change: func(r Release) { delete(r, archive) }, want: "the release may still be uploading, so try again", fails: true},
		"an archive without its checksum":    {change: func(r Release) { delete(r, archive); r["purser_1.1.0_other.tar.gz"] = nil; r.Sum() }, want: "has no purser_1.1.0_linux_" + runtime.GOARCH, fails: true},
		"empty checksums":                    {change: func(r Release) { r["checksums.txt"] = nil }, want: "is not a list of checksums", fails: true},
		"a page instead of the checksums":    {change: func(r Release) { r["checksums.txt"] = page }, want: "a proxy or a sign-in page may have answered, so open the address", fails: true},
		"a page after the checksums":         {change: func(r Release) { r["checksums.txt"] = append(r["checksums.txt"], page...) }, want: "is not a list of checksums", fails: true},
		"two checksums for a name":           {change: func(r Release) { r["checksums.txt"] = append(r["checksums.txt"], r["checksums.txt"]...) }, want: "have " + archive + " twice, so nothing was installed", fails: true},
		"more checksums than a release has":  {change: func(r Release) { r["checksums.txt"] = bytes.Repeat([]byte("0"), 5<<20) }, want: "it sends more than a release has", fails: true},
		"another kind of processor":          {programs: map[string]string{"uname": `[ "$1" = -m ] && echo riscv64 || echo Linux`}, want: "there is no archive for riscv64, only for amd64 and arm64; build purser with Go", fails: true},
		"another system":                     {programs: map[string]string{"uname": "echo Plan9"}, want: "there is no archive for Plan9", fails: true},
		"a shell on Windows":                 {programs: map[string]string{"uname": "echo MINGW64_NT-10.0"}, want: "for Windows see http", fails: true},
		"a program that does not start":      {change: func(r Release) { broken(r, archive) }, want: "purser does not start in", fails: true},
		"an archive without purser":          {change: func(r Release) { r[archive] = Archive(Member{tar.Header{Name: "LICENSE"}, "x"}); r.Sum() }, want: "cannot unpack purser to", fails: true},
		"a good signature":                   {programs: map[string]string{"cosign": `case "$*" in *'--certificate-identity-regexp ^http'*'/\.github/workflows/release\.yml@refs/tags/v'*) ;; *) exit 1;; esac`}, want: "the signature is valid"},
		"a signature by a key":               {env: []string{"PURSER_COSIGN_KEY=/keys/cosign.pub"}, programs: map[string]string{"cosign": `case "$*" in *'--key /keys/cosign.pub'*) ;; *) exit 1;; esac`}, want: "the signature is valid"},
		"a bad signature":                    {programs: map[string]string{"cosign": `printf 'WARNING: no TUF repository\ninvalid \033[2Jsignature\r::add-path::/evil\n' >&2; exit 1`}, want: "this project did not sign the checksums, so nothing was installed", fails: true},
		"a cosign without a network":         {programs: map[string]string{"cosign": "echo Error: getting rekor public keys: tuf: failed to download 13.root.json >&2; exit 1"}, want: "cosign cannot get the keys of Sigstore, so nothing was installed; check the network", fails: true},
		"no signature":                       {programs: map[string]string{"cosign": "exit 0"}, change: func(r Release) { delete(r, "checksums.txt.sigstore.json") }, want: "cannot download the signature", fails: true},
		"a required signature":               {env: []string{"PURSER_SIGNATURE=required"}, want: "cannot verify the signature without cosign; install cosign", fails: true},
		"no network":                         {env: []string{"PURSER_HOME=http://127.0.0.1:1"}, want: "check the network, and HTTPS_PROXY if you need a proxy", fails: true},
		"no network, with a version":         {args: []string{"--version", "v1.0.0"}, env: []string{"PURSER_HOME=http://127.0.0.1:1"}, want: "check the network, and HTTPS_PROXY if you need a proxy", fails: true},
		"a name that does not exist":         {env: []string{"PURSER_HOME=http://purser.invalid"}, want: "check the network", fails: true},
		"a copy that does not know its home": {env: []string{"PURSER_HOME=@HOME@"}, want: "does not know where to find releases; use the copy in a release, or set PURSER_HOME", fails: true},
		"a home that is a file":              {env: []string{"PURSER_HOME=file:///etc"}, want: "does not know where to find releases", fails: true},
		"a folder that cannot be made":       {args: []string{"--to", "/dev/null/bin"}, want: "choose another one with --to", fails: true},
		"a folder that cannot be written to": {args: []string{"--to", "/proc/self"}, want: "cannot write to /proc/self; choose another folder with --to, or use sudo", fails: true},
		"a folder off the PATH":              {want: "is not on your PATH; add it: export PATH="},
		"an older purser on the PATH":        {env: []string{"PATH+.local/bin"}, programs: map[string]string{"purser": "echo purser v0.1.0"}, want: "/purser comes first on your PATH; remove it, or move "},
		"an argument that does not exist":    {args: []string{"--force"}, want: "unknown argument --force", fails: true},
		"an argument without its value":      {args: []string{"--to"}, want: "--to needs a value", fails: true},
		"an empty argument":                  {args: []string{"--version", ""}, want: "--version needs a value", fails: true},
		"no home folder":                     {env: []string{"HOME="}, want: "HOME is not set; name a folder with --to", fails: true},
		"no temporary folder":                {env: []string{"TMPDIR=/dev/null"}, want: "set TMPDIR to a folder that you may write to", fails: true},

		"a version that is a path":         {args: []string{"--version", "../../x"}, want: "--version must look like v1.2.3", fails: true},
		"a version that ends in a path":    {args: []string{"--version", "v1.0.0/../v1.1.0"}, want: "--version must look like v1.2.3", fails: true},
		"a version that is a command":      {args: []string{"--version", "v1.0.0;touch owned"}, want: "--version must look like v1.2.3", fails: true},
		"a version that is a substitution": {args: []string{"--version", "v1.0.$(touch owned)"}, want: "--version must look like v1.2.3", fails: true},
		"a version of two lines":           {args: []string{"--version", "v1.0.0\nv1.1.0"}, want: "--version must look like v1.2.3", fails: true},
		"a version that is an option":      {args: []string{"--version", "-o"}, want: "--version must look like v1.2.3", fails: true},
		"a version that is a pattern":      {args: []string{"--version", "v1.*.0"}, want: "--version must look like v1.2.3", fails: true},
		"a version of the environment":     {env: []string{"PURSER_VERSION=../../x"}, want: "--version must look like v1.2.3", fails: true},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				t.Parallel()
				i := on(t, machine)
				latest := Printing("v1.1.0")
				if c.change != nil {
					c.change(latest)
				}
				i.args, i.programs = c.args, c.programs
				i.env = append([]string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.0.0": Printing("v1.0.0"), "v1.1.0": latest})}, c.env...)
				if n := len(i.env) - 1; i.env[n] == "PATH+.local/bin" {
					older := filepath.Join(i.user, "older")
					if err := os.Mkdir(older, 0o700); err != nil {
						t.Fatal(err)
					}
					write(t, filepath.Join(older, "purser"), "#!/bin/sh\necho purser v0.1.0\n")
					i.env[n] = "PATH=" + older + ":" + i.bin + ":" + filepath.Join(i.user, ".local", "bin")
					i.args = []string{"--to", filepath.Join(i.user, ".local", "bin")}
				}
				out, err := i.run(t)
				if (err != nil) != c.fails || !strings.Contains(out, c.want) || strings.ContainsAny(out, "\x1b\r") {
					t.Errorf("error %v; want failure: %v, and in its words: %s\n%s", err, c.fails, c.want, out)
				}
				if want := both; c.fails && len(i.installed()) > 0 || !c.fails && !slices.Equal(i.installed(), want) {
					t.Errorf("installed: %v", i.installed())
				}
				if _, err := os.Stat(filepath.Join(i.user, "owned")); err == nil {
					t.Error("it ran a command of its argument")
				}
				last := out[strings.LastIndex(strings.TrimRight(out, "\n"), "\n")+1:]
				if c.fails && !strings.HasPrefix(last, "purser: ") {
					t.Errorf("the last line is not the installer's: %s", out)
				}
			})
		}
	}
}

// broken makes a release whose purser does not start.
func broken(r Release, archive string) {
	r[archive] = Archive(Member{tar.Header{Name: "purser"}, "#!/bin/sh\nexit 1\n"}, Member{tar.Header{Name: "docker-credential-purser"}, "x"})
	r.Sum()
}

func TestAFailedInstallationKeepsTheOldPrograms(t *testing.T) {
	for name, change := range map[string]func(Release){
		"a tampered archive":            func(r Release) { r[ArchiveName("v1.1.0")] = page },
		"a program that does not start": func(r Release) { broken(r, ArchiveName("v1.1.0")) },
	} {
		i := on(t, "dash and curl")
		latest := Printing("v1.1.0")
		change(latest)
		i.env = []string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.0.0": Printing("v1.0.0"), "v1.1.0": latest})}
		i.args = []string{"--version", "v1.0.0"}
		if out, err := i.run(t); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		i.args = nil
		out, err := i.run(t)
		said, _ := exec.CommandContext(t.Context(), filepath.Join(i.user, ".local", "bin", "purser")).Output()
		if err == nil || string(said) != "purser v1.0.0\n" || !slices.Equal(i.installed(), both) {
			t.Errorf("%s: %v: %q of %v\n%s", name, err, said, i.installed(), out)
		}
	}
}

// A server that answers otherwise than GitHub does.
func TestTheInstallerVerifiesWhoeverAnswers(t *testing.T) {
	elsewhere := Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})
	tampered := Printing("v1.1.0")
	tampered[ArchiveName("v1.1.0")] = page
	evil := Home(t, listed, map[string]Release{"v1.1.0": tampered})
	archives := func(to string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, req *http.Request) bool {
			if !strings.HasSuffix(req.URL.Path, ".tar.gz") {
				return false
			}
			http.Redirect(w, req, strings.ReplaceAll(to, "PATH", req.URL.Path), http.StatusFound)
			return true
		}
	}
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request) bool
		want   string
		fails  bool
	}{
		"a redirect to another host":           {archives(elsewhere + "PATH"), "purser v1.1.0 is installed in ", false},
		"a redirect to another host's archive": {archives(evil + "PATH"), "does not match the release's checksums, so nothing was installed", true},
		"a redirect to a file of this machine": {archives("file:///etc/passwd"), "cannot download http", true},
		"a redirect to itself":                 {archives("PATH"), "cannot download http", true},
		"a sign-in page for everything":        {func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write(page); return true }, "lists no release; name one with --version, or open the address in a browser", true},
		"a server that is down": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}, "the server is busy; try again in a few minutes", true},
		"a proxy that wants a login": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return true
		}, "the proxy wants a login; set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT", true},
		"words that steer a terminal":            {steering, "cannot download http", true},
		"a mirror without a feed":                {func(w http.ResponseWriter, req *http.Request) bool { return missing(w, req, "/releases.atom") }, "lists no release; name one with --version", true},
		"an archive that ends before its length": {cutOff, "cannot download http", true},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				t.Parallel()
				i := on(t, machine)
				honest := Handler(listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if !c.answer(w, req) {
						honest.ServeHTTP(w, req)
					}
				}))
				t.Cleanup(s.Close)
				i.env = []string{"PURSER_HOME=" + s.URL}
				out, err := i.run(t)
				if (err != nil) != c.fails || !strings.Contains(out, c.want) || c.fails && len(i.installed()) > 0 || strings.ContainsAny(out, "\x1b\r") {
					t.Errorf("error %v; want failure: %v, and in its words: %s\n%q", err, c.fails, c.want, out)
				}
			})
		}
	}
}

func missing(w http.ResponseWriter, req *http.Request, path string) bool {
	if req.URL.Path != path {
		return false
	}
	http.NotFound(w, req)
	return true
}

// cutOff announces more bytes of an archive than it sends.
func cutOff(w http.ResponseWriter, req *http.Request) bool {
	if !strings.HasSuffix(req.URL.Path, ".tar.gz") {
		return false
	}
	w.Header().Set("Content-Length", "100000")
	_, _ = w.Write([]byte("less"))
	return true
}

// steering answers with a reason that clears the screen and gives a runner an order.
func steering(w http.ResponseWriter, req *http.Request) bool {
	if !strings.HasSuffix(req.URL.Path, ".tar.gz") {
		return false
	}
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_, _ = connection.Write([]byte("HTTP/1.1 410 \x1b[2Jwiped\r::add-path::/evil\r\nContent-Length: 0\r\n\r\n"))
		_ = connection.Close()
	}
	return true
}

// An archive of a release that somebody took over could hold links and paths. The installer
// writes nowhere else, and follows nothing.
func TestAnArchiveWritesOnlyThePrograms(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "#!/bin/sh\necho secret\n")
	helper := Member{tar.Header{Name: "docker-credential-purser", Mode: 0o755}, "#!/bin/sh\n"}
	good := Member{tar.Header{Name: "purser", Mode: 0o755}, "#!/bin/sh\necho purser v1.1.0\n"}
	for name, c := range map[string]struct {
		members []Member
		fails   bool
	}{
		"an absolute path":  {[]Member{good, helper, {tar.Header{Name: filepath.Join(filepath.Dir(secret), "planted")}, "x"}}, false},
		"a path upwards":    {[]Member{good, helper, {tar.Header{Name: "../planted"}, "x"}}, false},
		"a symbolic link":   {[]Member{{tar.Header{Name: "purser", Typeflag: tar.TypeSymlink, Linkname: secret}, ""}, helper}, true},
		"a hard link":       {[]Member{{tar.Header{Name: "purser", Typeflag: tar.TypeLink, Linkname: secret}, ""}, helper}, true},
		"a folder":          {[]Member{{tar.Header{Name: "purser", Typeflag: tar.TypeDir, Mode: 0o755}, ""}, helper}, true},
		"a device":          {[]Member{{tar.Header{Name: "purser", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 5}, ""}, helper}, true},
		"a set-user-id bit": {[]Member{{tar.Header{Name: "purser", Mode: 0o6755}, good.Body}, helper}, false},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				t.Parallel()
				i := on(t, machine)
				latest := Printing("v1.1.0")
				latest[ArchiveName("v1.1.0")] = Archive(c.members...)
				latest.Sum()
				i.env = []string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.1.0": latest})}
				out, err := i.run(t)
				if (err != nil) != c.fails || c.fails && len(i.installed()) > 0 || !c.fails && !slices.Equal(i.installed(), both) {
					t.Errorf("%v: installed %v\n%s", err, i.installed(), out)
				}
				if info, err := os.Stat(filepath.Join(i.user, ".local", "bin", "purser")); err == nil && info.Mode() != 0o755 {
					t.Errorf("the program has the mode %v", info.Mode())
				}
				if found := append(names(filepath.Dir(secret)), names(i.user)...); !slices.Equal(found, []string{"secret", ".local"}) && !slices.Equal(found, []string{"secret"}) {
					t.Errorf("it wrote elsewhere: %v", found)
				}
			})
		}
	}
}

// A checkout or a pipeline may set variables and write to the home folder. None of these
// programs may take its orders from there. PATH is not among them: who sets that runs anything.
func TestTheEnvironmentChangesNothing(t *testing.T) {
	for machine := range machines {
		t.Run(machine, func(t *testing.T) {
			i := on(t, machine)
			i.programs = map[string]string{"owned": "touch " + filepath.Join(i.user, "owned")}
			curlrc := "url = http://127.0.0.1:1/\nproxy = http://127.0.0.1:1\noutput = " + filepath.Join(i.user, "owned") + "\n"
			write(t, filepath.Join(i.user, ".curlrc"), curlrc)
			write(t, filepath.Join(i.user, ".wgetrc"), "http_proxy = http://127.0.0.1:1\noutput_document = "+filepath.Join(i.user, "owned")+"\n")
			write(t, filepath.Join(i.user, ".tarrc"), "")
			i.env = []string{
				"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")}),
				"CURL_HOME=" + i.user, "WGETRC=" + filepath.Join(i.user, ".wgetrc"), "TAR_OPTIONS=--to-command=owned --checkpoint=1 --checkpoint-action=exec=owned",
				"GREP_OPTIONS=-v", "GZIP=--keep --list", "IFS=/.", "CDPATH=/:/tmp", "LC_ALL=tr_TR.UTF-8", "POSIXLY_CORRECT=1", "version=v0.0.1", "to=/dev/null", "tmp=" + i.user, "cache=" + i.user,
				"want=0", "from=http://127.0.0.1:1", "project=http://127.0.0.1:1", "stage=" + i.user, "new=" + i.user,
			}
			if out, err := i.run(t); err != nil || !strings.Contains(out, "purser v1.1.0 is installed in "+filepath.Join(i.user, ".local", "bin")) {
				t.Errorf("%v\n%s", err, out)
			}
			if found := names(i.user); !slices.Equal(found, []string{".curlrc", ".local", ".tarrc", ".wgetrc"}) {
				t.Errorf("the home folder has %v", found)
			}
		})
	}
}

// The proxy forwards nothing but its own host: no test reaches the internet.
func TestTheInstallerUsesTheProxy(t *testing.T) {
	home := secure(t, Handler(listed, map[string]Release{"v1.1.0": Printing("v1.1.0")}))
	asked := make(chan string, 100)
	proxy := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			asked <- req.Method + " " + req.Host
			if status != http.StatusOK {
				w.WriteHeader(status)
				return
			}
			tunnel(t, w, home.Listener.Addr().String())
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	authority := filepath.Join(t.TempDir(), "ca.pem")
	write(t, authority, certificate(home))
	// httptest's certificate is for example.com, which only the proxy finds.
	for name, c := range map[string]struct {
		env   []string
		want  string
		fails bool
	}{
		"HTTPS_PROXY":                {[]string{"HTTPS_PROXY=" + proxy(200), "CURL_CA_BUNDLE=" + authority}, "purser v1.1.0 is installed", false},
		"https_proxy":                {[]string{"https_proxy=" + proxy(200), "CURL_CA_BUNDLE=" + authority}, "purser v1.1.0 is installed", false},
		"NO_PROXY":                   {[]string{"HTTPS_PROXY=http://127.0.0.1:1", "NO_PROXY=127.0.0.1", "PURSER_HOME=" + home.URL, "CURL_CA_BUNDLE=" + authority}, "purser v1.1.0 is installed", false},
		"a proxy that wants a login": {[]string{"HTTPS_PROXY=" + strings.Replace(proxy(407), "//", "//user:FAKE-not-a-real-password@", 1)}, "the proxy wants a login; set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT", true},
		"a proxy that is down":       {[]string{"HTTPS_PROXY=http://127.0.0.1:1"}, "check the network, and HTTPS_PROXY", true},
		"a network that inspects":    {[]string{"HTTPS_PROXY=" + proxy(200)}, "if your network inspects TLS, add its certificate authority to this machine", true},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				if machine != "dash and curl" && (!c.fails || machines[machine].busybox) {
					t.Skip("this wget takes its certificate authorities from nowhere else, or dies of a proxy for https")
				}
				i := on(t, machine)
				i.env = append([]string{"PURSER_HOME=https://example.com"}, c.env...)
				out, err := i.run(t)
				if (err != nil) != c.fails || !strings.Contains(out, c.want) || strings.Contains(out, "FAKE-not") {
					t.Errorf("error %v; want failure: %v, and in its words: %s\n%s", err, c.fails, c.want, out)
				}
				for range len(asked) {
					if got := <-asked; got != "CONNECT example.com:443" {
						t.Errorf("the proxy was asked for %s", got)
					}
				}
			})
		}
	}
}

// Whoever answers for https must prove it, and cannot send the download to http.
func TestADownloadByHTTPSStaysThere(t *testing.T) {
	plain := Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})
	home := secure(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, plain+req.URL.Path, http.StatusFound)
	}))
	authority := filepath.Join(t.TempDir(), "ca.pem")
	write(t, authority, certificate(home))
	for machine := range machines {
		t.Run(machine, func(t *testing.T) {
			i := on(t, machine)
			i.env = []string{"PURSER_HOME=" + home.URL, "CURL_CA_BUNDLE=" + authority}
			if out, err := i.run(t); err == nil || !strings.Contains(out, "cannot list the releases of https://") || len(i.installed()) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
			// This wget trusts everyone, and follows the redirect.
			if machine == "bash and wget" {
				wget, _ := exec.LookPath("wget")
				i.programs = map[string]string{"wget": wget + ` --no-check-certificate "$@"`}
				if out, err := i.run(t); err == nil || len(i.installed()) > 0 {
					t.Errorf("it followed a redirect to http: %v\n%s", err, out)
				}
			}
			i.env = []string{"PURSER_HOME=" + home.URL}
			if out, err := i.run(t); machine == "dash and curl" && (err == nil || !strings.Contains(out, "add its certificate authority")) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func TestTheCacheIsVerifiedInEveryRun(t *testing.T) {
	archive := ArchiveName("v1.1.0")
	for name, c := range map[string]struct {
		prepare   string // a command of whoever can write to the cache
		want      string
		downloads int32 // of the archive, in two runs
		kept      bool
	}{
		"an empty cache":                     {"true", "purser v1.1.0 is installed", 1, true},
		"an archive that a build changed":    {`echo evil >cache/$archive`, "does not match the release's checksums, so this downloads it again", 1, true},
		"a planted link to a file":           {`echo precious >elsewhere; ln -s ../elsewhere cache/$archive`, "is installed", 1, true},
		"a planted link to a folder":         {`mkdir elsewhere; ln -s ../elsewhere cache/$archive`, "is installed", 1, true},
		"a planted link to nothing":          {`ln -s ../elsewhere cache/$archive`, "is installed", 1, true},
		"a planted device":                   {`ln -s /dev/zero cache/$archive`, "is installed", 1, true},
		"a folder under the name":            {`mkdir -p cache/$archive/x`, "is installed", 1, true},
		"a cache that everyone may write to": {`chmod 777 cache`, "others may write to the cache", 2, false},
		"a cache that a group may write to":  {`chmod 770 cache`, "run chmod go-w ", 2, false},
		"a cache that is a file":             {`rmdir cache; touch cache`, "cannot write to the cache", 2, false},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				t.Parallel()
				i := on(t, machine)
				var downloads atomic.Int32
				honest := Handler(listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})
				s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if strings.HasSuffix(req.URL.Path, archive) {
						downloads.Add(1)
					}
					honest.ServeHTTP(w, req)
				}))
				t.Cleanup(s.Close)
				cache, to, elsewhere := filepath.Join(i.user, "cache"), filepath.Join(i.user, "bin"), filepath.Join(i.user, "elsewhere")
				prepare := exec.CommandContext(t.Context(), "sh", "-c", "mkdir -m 700 cache; "+c.prepare)
				prepare.Dir, prepare.Env = i.user, append(os.Environ(), "archive="+archive)
				if out, err := prepare.CombinedOutput(); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				i.env, i.args = []string{"PURSER_HOME=" + s.URL}, []string{"--to", to, "--cache", cache}
				out, err := i.run(t)
				again, failed := i.run(t)
				if err != nil || failed != nil || !strings.Contains(out, c.want) || downloads.Load() != c.downloads || !slices.Equal(names(to), both) {
					t.Errorf("%v, %v: %d downloads, installed %v; want %q\n%s%s", err, failed, downloads.Load(), names(to), c.want, out, again)
				}
				if got := names(cache); c.kept && !slices.Equal(got, []string{archive}) || !c.kept && slices.Contains(got, archive) {
					t.Errorf("the cache has %v", got)
				}
				if text, err := os.ReadFile(elsewhere); err == nil && string(text) != "precious\n" || len(names(elsewhere)) > 0 {
					t.Errorf("it wrote through a planted link: %q %v", text, names(elsewhere))
				}
			})
		}
	}
}

// Two jobs of one agent may start at once.
func TestInstallationsAtOnceEndWell(t *testing.T) {
	for machine := range machines {
		t.Run(machine, func(t *testing.T) {
			i := on(t, machine)
			cache, to := filepath.Join(i.user, "cache"), filepath.Join(i.user, "bin")
			i.env = []string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})}
			i.args = []string{"--to", to, "--cache", cache}
			var jobs sync.WaitGroup
			for range 6 {
				jobs.Go(func() {
					if out, err := i.run(t); err != nil || strings.Contains(out, "cannot") {
						t.Errorf("%v\n%s", err, out)
					}
				})
			}
			jobs.Wait()
			if !slices.Equal(names(to), both) || !slices.Equal(names(cache), []string{ArchiveName("v1.1.0")}) {
				t.Errorf("left: %v and %v", names(to), names(cache))
			}
		})
	}
}

// The disks of these tests are mounted in a namespace of their own.
func TestADiskThatRefusesIsNamed(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "unshare", "-mr", "true").CombinedOutput(); err != nil {
		t.Skipf("cannot mount here: a read-only or full disk was not tried: %v %s", err, out)
	}
	padded := Pack("v1.1.0", map[string][]byte{
		"purser": []byte("#!/bin/sh\necho purser v1.1.0\nexit\n" + strings.Repeat("x", 1<<20)), "docker-credential-purser": []byte("#!/bin/sh\n"),
	})
	padded[ArchiveName("v1.1.0")] = append(padded[ArchiveName("v1.1.0")], make([]byte, 100<<10)...)
	padded.Sum()
	for name, c := range map[string]struct{ options, at, want string }{
		"a read-only folder":        {"ro", "bin", "/bin; choose another folder with --to, or use sudo"},
		"a full disk":               {"size=64k", "bin", "check that its disk is not full"},
		"a full temporary folder":   {"size=64k", "tmp", "the disk is full; free some space, or set TMPDIR"},
		"a folder without programs": {"noexec", "bin", "if that folder is mounted with noexec, choose another one with --to"},
	} {
		for machine := range machines {
			t.Run(name+" on "+machine, func(t *testing.T) {
				i := on(t, machine)
				for _, dir := range []string{"bin", "tmp"} {
					if err := os.Mkdir(filepath.Join(i.user, dir), 0o700); err != nil {
						t.Fatal(err)
					}
				}
				at := filepath.Join(i.user, c.at)
				mount := fmt.Sprintf(`mount -t tmpfs -o %s none %s && "$@"; code=$?; ls -A %s; exit $code`, c.options, at, at)
				i.shell = append([]string{"/usr/bin/unshare", "-mr", "/bin/sh", "-c", "export PATH=$PATH:/usr/bin:/bin; " + mount, "sh"}, i.shell...)
				i.env = []string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.1.0": padded}), "TMPDIR=" + filepath.Join(i.user, "tmp")}
				i.args = []string{"--to", filepath.Join(i.user, "bin")}
				out, err := i.run(t)
				if err == nil || !strings.Contains(out, c.want) || !strings.HasPrefix(out[strings.LastIndex(strings.TrimRight(out, "\n"), "\n")+1:], "purser: ") {
					t.Errorf("%v; want %q, and nothing left on the disk\n%s", err, c.want, out)
				}
			})
		}
	}
}

func TestHalfAnInstallerRunsNothing(t *testing.T) {
	for cut := len(script) / 4; cut < len(script)-len("main \"$@\"\n"); cut += len(script) / 7 {
		i := on(t, "dash and curl")
		cmd := exec.CommandContext(t.Context(), i.shell[0])
		cmd.Stdin = bytes.NewReader(script[:cut])
		cmd.Env = []string{"PATH=" + i.bin, "HOME=" + i.user, "PURSER_HOME=http://127.0.0.1:1"}
		_ = cmd.Run()
		if left := names(i.user); len(left) != 0 {
			t.Errorf("cut after %d bytes it makes %v", cut, left)
		}
	}
}

// A mirror serves the project's release, so only the project may have signed it.
func TestAMirrorDoesNotChangeTheSigner(t *testing.T) {
	for machine := range machines {
		i := on(t, machine)
		i.script = bytes.ReplaceAll(script, []byte("@HOME@"), []byte("https://github.example/owner/purser"))
		i.programs = map[string]string{"cosign": `case "$*" in *'--certificate-identity-regexp ^https://github\.example/owner/purser/\.github/workflows/release\.yml@refs/tags/v'*) ;; *) exit 1;; esac`}
		i.env = []string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")})}
		if out, err := i.run(t); err != nil || !strings.Contains(out, "the signature is valid") {
			t.Errorf("%s: %v\n%s", machine, err, out)
		}
	}
}

func TestAFolderMayHaveAnyName(t *testing.T) {
	for _, to := range []string{"bin", "./bin", "bin/", "-x", "--to", "two words", "a'b;c$d", "*"} {
		for machine := range machines {
			i := on(t, machine)
			i.env = []string{"PURSER_HOME=" + Home(t, listed, map[string]Release{"v1.1.0": Printing("v1.1.0")}), "PATH=" + i.bin + ":" + filepath.Join(i.user, to)}
			i.args = []string{"--to", to, "--cache", "kept " + to}
			out, err := i.run(t)
			if err != nil || !slices.Equal(names(filepath.Join(i.user, to)), both) || strings.Contains(out, "is not on your PATH") != (to == "./bin") {
				t.Errorf("%s on %s: %v: %v\n%s", to, machine, err, names(i.user), out)
			}
		}
	}
}

func TestHelpFitsTheTerminal(t *testing.T) {
	i := on(t, "dash and curl")
	i.args = []string{"--help"}
	out, err := i.run(t)
	if err != nil || !strings.Contains(out, "--cache FOLDER") {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(out) {
		if len(line) > 81 {
			t.Errorf("a line of %d columns: %s", len(line)-1, line)
		}
	}
}
