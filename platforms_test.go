package purser_test

import (
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// way is how one system does something: a file that is built there, a word of the file that
// says by what, and the test that holds it, after its package if that is another one.
type way struct{ file, by, test string }

// capability is something that not every system does, or not in the same way.
type capability struct {
	what, in string
	ways     map[string]way // by GOOS
	without  string         // the file of the systems that do not do it; "": there is none
}

var systems = []string{"linux", "darwin", "windows", "freebsd"}

func everywhere(w way) map[string]way {
	return map[string]way{"linux": w, "darwin": w, "windows": w, "freebsd": w}
}

// onUnix gives all systems but Windows one way.
func onUnix(unix, windows way) map[string]way {
	ways := everywhere(unix)
	if ways["windows"] = windows; windows.file == "" {
		delete(ways, "windows")
	}
	return ways
}

var capabilities = []capability{
	{"A crash leaves no core file", "internal/process", onUnix(way{"core.go", "RLIMIT_CORE", "TestACrashIsQuietAndLeavesNoCore"}, way{}), "protect_other.go"},
	{"Your other programs cannot trace purser or read its memory", "internal/process", map[string]way{
		"linux": {"protect_linux.go", "PR_SET_DUMPABLE", "TestTheSameUserCannotAttach"}, "darwin": {"protect_darwin.go", "PT_DENY_ATTACH", ""},
	}, ""},
	{"Memory stays out of swap, where the user may lock it", "internal/process", map[string]way{"linux": {"protect_linux.go", "Mlockall", "TestMemoryStaysOutOfSwap"}}, ""},
	{"Two runs at once wait for each other", "internal/filelock", onUnix(
		way{"lock_unix.go", "Flock", "TestOneHasTheLockUntilItCloses"}, way{"lock_windows.go", "LockFileEx", "TestOneHasTheLockUntilItCloses"}), "lock_other.go"},
	{"Files that others can write or read are not trusted", "internal/fileaccess", onUnix(
		way{"access_unix.go", "owner and mode", "TestModesSayWhoMayUseAFile"}, way{"access_windows.go", "owner and access control list", "TestARealFile"}), "access_other.go"},
	{"An agent's own configuration is at a fixed path", "internal/config", onUnix(
		way{"system_other.go", "/etc/purser", "TestTheSystemsConfigurationIsWhereNoCheckoutIs"}, way{"system_windows.go", "ProgramData", "TestTheSystemsConfigurationIsWhereNoCheckoutIs"}), ""},
	{"A file is replaced in one step", "internal/atomicfile", onUnix(
		way{"rename_other.go", "rename", "TestOneOfTwoConcurrentWritersWins"}, way{"rename_windows.go", "rename and tries again", "TestOneOfTwoConcurrentWritersWins"}), ""},
	{"The system's keychain has the age identity", "internal/keychain", map[string]way{
		"linux":  {"system_linux.go", "Secret Service", "TestARealSecretServiceKeepsASecret"},
		"darwin": {"system_darwin.go", "Keychain", "TestTheSystemsOwnKeychainKeepsASecret"}, "windows": {"system_windows.go", "Credential Manager", "TestTheSystemsOwnKeychainKeepsASecret"},
	}, "system_other.go"},
	{"The credential helper keeps a login for its next call", "internal/keyringcache", map[string]way{
		"linux": {"keyringcache_linux.go", "KEYCTL", "TestAnEntryExpires"},
	}, "keyringcache_other.go"},
	{"purser asks questions at the terminal", "internal/present", onUnix(way{"tty_other.go", "/dev/tty", "cmd/purser:TestWhatWaitsForAPersonEnds"}, way{}), "tty_windows.go"},
	{"`purser exec` gives its command a terminal, and passes signals on", "internal/childproc", onUnix(way{"childproc_unix.go", "pty", "TestTheTerminalIsKept"}, way{}), "childproc_other.go"},
	{"The command ends if purser is killed", "internal/childproc", map[string]way{
		"linux": {"parent_linux.go", "Pdeathsig", "TestTheProgramEndsWithUsWhenWeAreKilled"},
	}, ""},
	{"The command's private folder is removed if purser is killed", "internal/childproc", everywhere(way{"childproc.go", "Reap", "cmd/purser:TestScripts"}), ""},
	{"The tab key completes, in bash, zsh and fish", "cmd/purser", onUnix(way{"shells_test.go", "fish", "TestShellsCompleteWhatIsTyped"}, way{}), ""},
	{"The tab key completes, in PowerShell", "internal/completion", everywhere(way{"command.go", "PowerShell", ""}), ""},
	{"The sandbox gives programs the registries' own names", "internal/namespace", map[string]way{"linux": {"namespace_linux.go", "CLONE_NEWNET", "cmd/purser:TestTheSandboxWorksWithoutRoot"}}, "namespace_other.go"},
	{"`make exposure` searches everything that leaves purser", "internal/exposure", map[string]way{"linux": {"execute_linux.go", "strace", "cmd/purser-exposure:TestNothingIsExposed"}}, "execute_other.go"},
}

// TestThePageOfPlatformsIsWhatTheCodeSays holds every cell of docs/platforms.md: the file is
// built for the system, has the word, and its test is there. A "no" is a file without.
func TestThePageOfPlatformsIsWhatTheCodeSays(t *testing.T) {
	portable := portablePackages(t)
	var b strings.Builder
	b.WriteString(platformsBefore)
	for _, c := range capabilities {
		b.WriteString("| " + c.what)
		for _, system := range systems {
			b.WriteString(" | " + c.cell(t, system, portable))
		}
		b.WriteString(" |\n")
	}
	b.WriteString(platformsAfter)
	const path = "docs/platforms.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != b.String() {
		t.Errorf("%s is not what the code says; go test . -run Platforms -update writes it", path)
	}
}

func (c capability) cell(t *testing.T, system string, portable []string) string {
	t.Helper()
	on := build.Default
	on.GOOS, on.CgoEnabled = system, false
	isBuilt := func(file string) bool {
		ok, err := on.MatchFile(c.in, file)
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
		return ok
	}
	w, does := c.ways[system]
	if c.without != "" && isBuilt(c.without) == does {
		t.Errorf("%s, on %s: %s says otherwise", c.what, system, c.without)
	}
	if !does {
		c.lacks(t, system, isBuilt)
		return "no"
	}
	if text, err := os.ReadFile(filepath.Join(c.in, w.file)); err != nil || !isBuilt(w.file) || !strings.Contains(string(text), w.by) {
		t.Errorf("%s, on %s: %s does not say %s there (%v)", c.what, system, w.file, w.by, err)
	}
	held := w.test != "" && hasTest(t, &on, c.in, w.test)
	if w.test != "" && !held && (system == "linux" || system == "windows") {
		t.Errorf("%s, on %s: there is no %s", c.what, system, w.test)
	}
	switch {
	case held && system == "linux":
		return w.by + "; tested"
	case held && system == "windows" && slices.Contains(portable, module+c.in):
		return w.by + "; tested under Wine"
	}
	return w.by + "; built, not run"
}

// lacks fails if a file that is built for a system does what the page denies.
func (c capability) lacks(t *testing.T, system string, isBuilt func(string) bool) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(c.in, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		for _, w := range c.ways {
			if err != nil || isBuilt(filepath.Base(path)) && filepath.Base(path) == w.file && strings.Contains(string(text), w.by) {
				t.Errorf("%s, on %s: %s says otherwise (%v)", c.what, system, path, err)
			}
		}
	}
}

// hasTest reports whether a package has a test on a system.
func hasTest(t *testing.T, on *build.Context, dir, test string) bool {
	t.Helper()
	if elsewhere, name, ok := strings.Cut(test, ":"); ok {
		dir, test = elsewhere, name
	}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(path string) bool {
		text, err := os.ReadFile(path)
		ok, matched := on.MatchFile(dir, filepath.Base(path))
		return err == nil && matched == nil && ok && strings.Contains(string(text), "\nfunc "+test+"(t *testing.T)")
	})
}

// portablePackages lists what make wine runs.
func portablePackages(t *testing.T) []string {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "scripts/portable.sh", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, strings.Fields(string(list))...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

const platformsBefore = `# What holds on which system

purser is made and tested on Linux. It is built for macOS, Windows and FreeBSD too, for amd64 and arm64, and it does the
same there, except for what this table says. A test compares each cell with the files that are built for the system, and
with the test that holds it:

- **tested**: a test of purser's runs it on Linux.
- **tested under Wine**: the same, as a Windows program under Wine (` + "`make wine`" + `). Wine is not Windows.
- **built, not run**: it compiles, and nobody ran it before the release. A workflow runs the tests that need no Linux on
  macOS and Windows; this page does not count on it.

The first words of a cell say by what purser does it.

| | Linux | macOS | Windows | FreeBSD |
|---|---|---|---|---|
`

const platformsAfter = `
Where a cell says no:

- **No keychain:** the age identity is in a file that only you can read ([where it is](storing.md#where-purser-stores-it)).
- **No cached login:** each call of the credential helper reads the store. A keychain would keep the login on the disk,
  and would not end it ([decision 12](decisions/0012-the-helpers-cache-is-no-keychain.md)).
- **No protection from your other programs:** whoever runs programs as you can read what purser reads in any case: your
  files, and the keychain once it is open. On Linux, purser at least does not make it easier.
- **No end with purser:** if purser is killed, the command goes on without the token's private folder.
- **No questions:** ` + "`purser store`" + ` opens a page in your browser instead. What needs a yes at the terminal is refused.
- **No terminal for the command:** ` + "`purser exec`" + ` gives it a pipe, so it may print without colours.

## Windows

- Home is ` + "`USERPROFILE`" + `, and a build agent's configuration is ` + "`C:\\ProgramData\\purser\\purser.yaml`" + `.
- A file counts as yours if its owner is you, an administrator, the system or TrustedInstaller, and its access control
  list lets nobody else write. Folders outside of your profile, such as ` + "`C:\\src`" + `, often let all users write. The
  error names the account and the ` + "`icacls`" + ` command that takes its rights away; or name the file with ` + "`--config`" + `.
- purser asks nothing in the console. It opens a page in your browser, or reads standard input with
  ` + "`--token-stdin`" + `.
`
