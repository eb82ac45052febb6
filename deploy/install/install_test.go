package install

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
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
