package wire_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"purser/internal/config"
	"purser/internal/wire"
)

// standIn puts an xdg-open into PATH that records its arguments, its environment and its file's mode,
// and exits with the given code.
func standIn(t *testing.T, end string) (record func() string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the stand-in is an xdg-open")
	}
	dir := t.TempDir()
	done := filepath.Join(dir, "done")
	script := "#!/bin/sh\n{ echo \"$#: $*\"; tr '\\0' '\\n' </proc/$$/environ; stat -c %a \"$1\" \"${1%/*}\"; } >" + done + ".part 2>&1\nmv " + done + ".part " + done + "\nexit " + end + "\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return func() string {
		raw, err := os.ReadFile(done)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
}

const secretPath = "R9FAKEfakeFAKEfakeFAKEfake4x8K2m"

func TestTheOpenerIsNotToldTheAddress(t *testing.T) {
	record := standIn(t, "0")
	runtimeDir := t.TempDir()
	w := &wire.Wire{Env: config.Environment{XDGRuntimeDir: runtimeDir}}
	address := "http://127.0.0.1:4711/" + secretPath
	remove, err := w.OpenBrowser(t.Context(), address, func() {})
	if err != nil {
		t.Fatal(err)
	}
	said := record()
	if strings.Contains(said, secretPath) || strings.Contains(said, "4711") {
		t.Errorf("the opener knows the address: %s", said)
	}
	arguments, rest, _ := strings.Cut(said, "\n")
	file, ok := strings.CutPrefix(arguments, "1: ")
	if !ok || !strings.HasPrefix(file, runtimeDir+"/") || !strings.HasSuffix(rest, "\n600\n700\n") {
		t.Errorf("the file is not private, or not in the session's folder: %s", said)
	}
	page, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(page), `content="0;url=`+address+`"`) {
		t.Errorf("the file does not forward: %v %s", err, page)
	}
	remove()
	if left, _ := filepath.Glob(filepath.Join(runtimeDir, "*")); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
}

func TestWithoutASessionFolderThePageIsInATemporaryOne(t *testing.T) {
	for name, runtimeDir := range map[string]string{"none": "", "one that is not there": "/nonexistent/runtime"} {
		standIn(t, "0")
		temp := t.TempDir()
		w := &wire.Wire{Env: config.Environment{XDGRuntimeDir: runtimeDir, TempDir: temp}}
		remove, err := w.OpenBrowser(t.Context(), "http://127.0.0.1:4711/"+secretPath, func() {})
		if err != nil {
			t.Fatal(err)
		}
		pages, _ := filepath.Glob(filepath.Join(temp, "purser-page-*", "open.html"))
		if remove(); len(pages) != 1 {
			t.Errorf("%s: %s", name, pages)
		}
	}
}

func TestBROWSERChoosesTheOpener(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the stand-in is an xdg-open")
	}
	for browser, want := range map[string]string{
		"": "xdg-open FILE", "nosuch": "xdg-open FILE", " : ": "xdg-open FILE",
		"mine": "mine FILE", "nosuch:mine --new": "mine --new FILE", "mine --at=%s --new:xdg-open": "mine --at=FILE --new",
	} {
		dir := t.TempDir()
		for _, name := range []string{"xdg-open", "mine"} {
			script := "#!/bin/sh\necho ${0##*/} \"$@\" >" + dir + "/called\n"
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", dir)
		w := &wire.Wire{Env: config.Environment{TempDir: t.TempDir(), Browser: browser}}
		remove, err := w.OpenBrowser(t.Context(), "http://127.0.0.1:4711/"+secretPath, func() {})
		if err != nil {
			t.Fatal(err)
		}
		remove()
		got, err := os.ReadFile(filepath.Join(dir, "called"))
		page := regexp.MustCompile(`/\S*/open\.html`).ReplaceAllString(strings.TrimSpace(string(got)), "FILE")
		if err != nil || page != want {
			t.Errorf("BROWSER=%q: %q, %v, want %q", browser, page, err, want)
		}
	}
}

func TestNoBrowserIsOpenedOverSSHOrWithBROWSERNone(t *testing.T) {
	for name, env := range map[string]config.Environment{"over ssh": {RemoteSession: true}, "BROWSER=none": {Browser: "none"}} {
		env.TempDir = t.TempDir()
		w := &wire.Wire{Env: env}
		if _, err := w.OpenBrowser(t.Context(), "http://127.0.0.1:4711/"+secretPath, func() {}); err == nil {
			t.Errorf("%s: a browser was opened", name)
		}
		if left, _ := os.ReadDir(env.TempDir); len(left) > 0 {
			t.Errorf("%s: left behind: %v", name, left)
		}
	}
}

// TestAnOpenerThatCannotOpenIsNotSaidToHaveOpened is a container with an xdg-open and no
// display: it fails at once, and the page is left to the person to open.
func TestAnOpenerThatCannotOpenIsNotSaidToHaveOpened(t *testing.T) {
	standIn(t, "3")
	temp := t.TempDir()
	w := &wire.Wire{Env: config.Environment{TempDir: temp}}
	if _, err := w.OpenBrowser(t.Context(), "http://127.0.0.1:4711/"+secretPath, func() {}); err == nil {
		t.Error("it is said to have opened")
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestAnOpenerThatFailsLaterIsToldOf: some wait for the browser.
func TestAnOpenerThatFailsLaterIsToldOf(t *testing.T) {
	dir := t.TempDir()
	gate := filepath.Join(dir, "gate")
	if err := exec.CommandContext(t.Context(), "mkfifo", gate).Run(); err != nil {
		t.Skip("no mkfifo here")
	}
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("#!/bin/sh\nread x <"+gate+"\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	w := &wire.Wire{Env: config.Environment{TempDir: t.TempDir(), Browser: "mine"}}
	failed := make(chan struct{})
	remove, err := w.OpenBrowser(t.Context(), "http://127.0.0.1:4711/"+secretPath, func() { close(failed) })
	if err != nil {
		t.Fatal(err)
	}
	defer remove()
	if err := os.WriteFile(gate, []byte("go\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	<-failed
}
