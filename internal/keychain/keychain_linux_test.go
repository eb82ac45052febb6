package keychain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"purser/internal/credential"
)

// TestMain also serves as a program in a desktop's session, which prints what it finds.
func TestMain(m *testing.M) {
	if os.Getenv("PURSER_TEST_SESSION") == "" {
		os.Exit(m.Run())
	}
	ctx, bus := context.Background(), os.Getenv("DBUS_SESSION_BUS_ADDRESS")
	secret := credential.NewSecret("FAKE secret of a test")
	one := func() *Entry { return &Entry{Service: "purser-test", Account: "one", Bus: bus} }
	_, before := one().Get(ctx)
	kept := one().Set(ctx, secret)
	got, after := one().Get(ctx)
	for _, err := range []error{before, kept, after} {
		switch {
		case err == nil:
			fmt.Println("done")
		case errors.Is(err, fs.ErrNotExist):
			fmt.Println("missing")
		case errors.Is(err, errors.ErrUnsupported):
			fmt.Println("no keychain")
		case errors.Is(err, errLocked):
			fmt.Println("locked")
		default:
			fmt.Println(err)
		}
	}
	fmt.Println("the same:", got.Equal(secret))
}

// session runs this test's program in a D-Bus session of its own, after a shell command.
func session(t *testing.T, before, want string) {
	t.Helper()
	for _, program := range []string{"dbus-run-session", "gnome-keyring-daemon"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%v: skipped", err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "dbus-run-session", "--", "sh", "-c", before+"\nexec \"$0\"", os.Args[0])
	home := t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PURSER_TEST_SESSION=true"}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != want {
		t.Errorf("%v, %q, want %q\n%s", err, got, want, errs.String())
	}
}

func TestARealSecretServiceKeepsASecret(t *testing.T) {
	session(t, "printf '\\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null", "missing done done the same: true")
}

// Debian's package lets D-Bus start the service, which then has no keyring to unlock.
func TestAServerHasNoKeychain(t *testing.T) {
	session(t, "", "no keychain no keychain no keychain the same: false")
}

func TestABusThatIsGoneIsNoKeychain(t *testing.T) {
	session(t, "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent; export DBUS_SESSION_BUS_ADDRESS", "no keychain no keychain no keychain the same: false")
}

// TestALockedKeychainDoesNotHang has a keyring, and nothing that could ask for its password.
func TestALockedKeychainDoesNotHang(t *testing.T) {
	session(t, `printf 'password\n' | gnome-keyring-daemon --unlock --components=secrets >/dev/null
gnome-keyring-daemon --replace --components=secrets >/dev/null`, "locked locked locked the same: false")
}
