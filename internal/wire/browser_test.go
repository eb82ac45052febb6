package wire_test

import (
	"os"
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
	record := standIn(t, "3")
	runtimeDir := t.TempDir()
	w := &wire.Wire{Env: config.Environment{XDGRuntimeDir: runtimeDir}}
	address := "http://127.0.0.1:4711/" + secretPath
	ended := make(chan struct{})
	remove, err := w.OpenBrowser(t.Context(), address, func() { close(ended) })
	if err != nil {
		t.Fatal(err)
	}
	<-ended // an opener that fails is told of
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
		standIn(t, "3")
		temp, ended := t.TempDir(), make(chan struct{})
		w := &wire.Wire{Env: config.Environment{XDGRuntimeDir: runtimeDir, TempDir: temp}}
		remove, err := w.OpenBrowser(t.Context(), "http://127.0.0.1:4711/"+secretPath, func() { close(ended) })
		if err != nil {
			t.Fatal(err)
		}
		<-ended
		pages, _ := filepath.Glob(filepath.Join(temp, "purser-page-*", "open.html"))
		if remove(); len(pages) != 1 {
			t.Errorf("%s: %s", name, pages)
		}
	}
}

func TestBROWSERChoosesTheOpener(t *testing.T) {
	for browser, want := range map[string]string{
		"": "xdg-open FILE", "nosuch": "xdg-open FILE", " : ": "xdg-open FILE",
		"mine": "mine FILE", "nosuch:mine --new": "mine --new FILE", "mine --at=%s --new:xdg-open": "mine --at=FILE --new",
	} {
		dir, called := t.TempDir(), make(chan struct{})
		for _, name := range []string{"xdg-open", "mine"} {
			script := "#!/bin/sh\necho ${0##*/} \"$@\" >" + dir + "/called\nexit 3\n"
			if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", dir)
		w := &wire.Wire{Env: config.Environment{TempDir: t.TempDir(), Browser: browser}}
		remove, err := w.OpenBrowser(t.Context(), "http://127.0.0.1:4711/"+secretPath, func() { close(called) })
		if err != nil {
			t.Fatal(err)
		}
		<-called
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
