package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/keychain"
	"purser/internal/wire"
)

// TestAnIdentityInTheDesktopsKeyringOpensTheFile stores a login as purser does, in a desktop's
// session, where the helper finds it. Outside of the session it does not.
func TestAnIdentityInTheDesktopsKeyringOpensTheFile(t *testing.T) {
	if path := os.Getenv("PURSER_TEST_FILE"); path != "" {
		storeInSession(t, path)
		return
	}
	for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%v: skipped", err)
		}
	}
	bin, home := buildProgram(t), trustedDir(t)
	system := filepath.Join(home, "purser.yaml")
	path := filepath.Join(home, "laptop.age.json")
	if err := os.WriteFile(system, []byte("credentials:\n  laptop:\n    registry: docker.io\n    repositories: [mockserver/mockserver]\n    store: {file: "+path+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := filepath.Join(bin, "docker-credential-purser") + " get"
	run := func(program string, args ...string) (string, string, error) {
		var errs strings.Builder
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PURSER_CONFIG=" + system, "PURSER_TEST_FILE=" + path, "PURSER_HELPER_TIMEOUT=30s",
		}
		cmd.Dir, cmd.Stdin, cmd.Stderr = "/", strings.NewReader("docker.io"), &errs
		out, err := cmd.Output()
		return string(out), errs.String(), err
	}
	out, errs, err := run("dbus-run-session", "--", "sh", "-c", `exec 3<&0
printf '\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null &&
"$0" -test.run '^TestAnIdentityInTheDesktopsKeyringOpensTheFile$' >&2 &&
exec `+ask+` <&3`, os.Args[0])
	var login struct{ Username, Secret string }
	if err != nil || json.Unmarshal([]byte(out), &login) != nil || login.Username != "mockserver" || login.Secret != token {
		t.Fatalf("%v\n%s", err, errs)
	}
	if left, _ := filepath.Glob(filepath.Join(home, ".config", "purser", "*.txt")); len(left) > 0 {
		t.Errorf("there are files: %v", left)
	}
	out, _, err = run("sh", "-c", ask)
	if err == nil || !strings.Contains(out, "there is no age identity: there is no file "+filepath.Join(home, ".config/purser/identity.txt")+", and the desktop's keyring has none") {
		t.Errorf("outside of the session: %s", strings.ReplaceAll(out, token, "THE TOKEN"))
	}
}

func storeInSession(t *testing.T, path string) {
	t.Helper()
	env := config.OSEnvironment()
	w := &wire.Wire{Env: env, Now: time.Now, Keychain: keychain.AgeIdentity(env.SessionBus)}
	s, err := w.Bare(t.Context(), credential.Credential{Name: "laptop"}, credential.Target{Kind: config.FileKind, Name: path})
	if err != nil {
		t.Fatal(err)
	}
	id := credential.VersionID("purser-01936f5e-0000-7000-8000-000000000001")
	value := credential.NewSecret(`{"username":"mockserver","token":"` + token + `"}`)
	if err := errors.Join(s.Create(t.Context()), s.Stage(t.Context(), id, value), s.Promote(t.Context(), id, id)); err != nil {
		t.Fatal(err)
	}
}
