//go:build darwin || windows

package keychain

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"testing"

	"github.com/zalando/go-keyring"

	"purser/internal/credential"
)

// TestTheSystemsOwnKeychainKeepsASecret uses the real one, and removes the entry again. It
// comes first in the file's order, before other tests replace the keychain.
func TestTheSystemsOwnKeychainKeepsASecret(t *testing.T) {
	e := Entry{Service: "purser-test", Account: "process-" + strconv.Itoa(os.Getpid())}
	if _, err := e.Get(t.Context()); errors.Is(err, errLocked) || errors.Is(err, errors.ErrUnsupported) {
		t.Skipf("%v: skipped", err)
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before: %v", err)
	}
	t.Cleanup(func() { _ = keyring.Delete(e.Service, e.Account) })
	secret := credential.NewSecret("FAKE secret of a test")
	if err := e.Set(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if got, err := e.Get(t.Context()); err != nil || !got.Equal(secret) {
		t.Errorf("it is not what was kept: %v", err)
	}
}
