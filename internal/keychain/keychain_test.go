package keychain

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/zalando/go-keyring"

	"purser/internal/credential"
)

const someBus = "unix:path=/run/user/1/bus"

func entry() *Entry {
	return &Entry{Service: "purser-test", Account: "one", Bus: someBus}
}

func needsKeychain(t *testing.T) {
	t.Helper()
	if !usable(someBus) {
		t.Skip("this system has no keychain: skipped")
	}
}

func TestASecretIsKept(t *testing.T) {
	needsKeychain(t)
	keyring.MockInit()
	if _, err := entry().Get(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("before: %v", err)
	}
	for _, text := range []string{"FAKE one", "FAKE two"} {
		e := entry()
		if err := e.Set(t.Context(), credential.NewSecret(text)); err != nil {
			t.Fatal(err)
		}
		for _, from := range []*Entry{e, e, entry()} {
			if got, err := from.Get(t.Context()); err != nil || !got.Equal(credential.NewSecret(text)) {
				t.Errorf("it is not what was kept: %v", err)
			}
		}
	}
	other := entry()
	other.Account = "another"
	if _, err := other.Get(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another account: %v", err)
	}
}

func TestWhatIsWrongWithAKeychain(t *testing.T) {
	needsKeychain(t)
	for name, c := range map[string]struct{ answer, want error }{
		"no such entry":      {keyring.ErrNotFound, fs.ErrNotExist},
		"no keychain":        {keyring.ErrUnsupportedPlatform, errors.ErrUnsupported},
		"something else":     {errors.New("exit status 36"), nil},
		"a secret in a text": {errors.New("dckr_pat_" + "FAKEfakeFAKEfakeFAKEfake1"), nil},
	} {
		keyring.MockInitWithError(c.answer)
		_, err := entry().Get(t.Context())
		if err == nil || c.want != nil && !errors.Is(err, c.want) || c.want == nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported)) {
			t.Errorf("%s: %v", name, err)
		}
		if credential.HoldsToken(err.Error()) {
			t.Errorf("%s: it is shown", name)
		}
		if entry().Set(t.Context(), credential.NewSecret("FAKE")) == nil {
			t.Errorf("%s: it was kept", name)
		}
	}
}

func TestNobodyUnlocksTheKeychain(t *testing.T) {
	e := entry()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	never := make(chan struct{})
	defer close(never)
	needsKeychain(t)
	if err := e.within(ctx, func() error { <-never; return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestOnlyASocketOfThisMachineIsABus(t *testing.T) {
	for bus, want := range map[string]bool{
		someBus: true, "unix:abstract=/tmp/dbus-1": true,
		"": false, "autolaunch:": false, "tcp:host=evil.example,port=1": false, "nonce-tcp:host=evil.example": false,
		"unixexec:path=/bin/sh,argv1=-c": false, "launchd:env=X": false, someBus + ";tcp:host=evil.example,port=1": false,
	} {
		if got := local(bus); got != want {
			t.Errorf("%q: %v", bus, got)
		}
	}
}
