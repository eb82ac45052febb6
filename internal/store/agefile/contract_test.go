package agefile_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/store"
	"purser/internal/store/agefile"
	"purser/internal/store/storetest"
)

func files(t *testing.T, passphrase func(context.Context, bool) (credential.Secret, error), k agefile.Keychain) func(*testing.T, string) store.Store {
	t.Helper()
	dir := t.TempDir()
	return func(_ *testing.T, name string) store.Store {
		return agefile.New(agefile.Config{
			Path: filepath.Join(dir, "files", name+".age.json"), Identity: filepath.Join(dir, "keys", "identity.txt"),
			Passphrase: passphrase, Keychain: k, WorkFactor: 10, Now: time.Now,
		})
	}
}

func TestStoresKeepTheContract(t *testing.T) {
	storetest.Keep(t,
		storetest.Subject{Name: "encrypted file", Open: files(t, nil, nil)},
		storetest.Subject{Name: "encrypted file with a keychain", Open: files(t, nil, &keychain{})},
		storetest.Subject{Name: "encrypted file with a passphrase", Open: files(t, func(context.Context, bool) (credential.Secret, error) {
			return credential.NewSecret("FAKE passphrase"), nil
		}, nil)},
	)
}

func id(n int) credential.VersionID {
	return credential.VersionID(fmt.Sprintf("purser-00000000-0000-7000-8000-%012d", n))
}

func value(text string) credential.Secret { return credential.NewSecret(text) }
