// Package keychain keeps a short secret in the keychain that the system has for a person: the
// macOS Keychain, Windows' Credential Manager, or a Secret Service on Linux, such as GNOME
// Keyring or KWallet. The secret is in no argument and no environment: on macOS it goes to
// /usr/bin/security by standard input.
package keychain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/zalando/go-keyring"

	"purser/internal/credential"
)

// Entry is a secret in the keychain. Its methods may be called at the same time.
type Entry struct {
	Service, Account string
	// Bus is the address of the D-Bus session in which a Secret Service is; other systems
	// need none.
	Bus string

	mu   sync.Mutex
	text credential.Secret // once it was read
}

// AgeIdentity is the entry of a person's age identity.
func AgeIdentity(bus string) *Entry {
	return &Entry{Service: "purser", Account: "age-identity", Bus: bus}
}

// patience is how long a person may take to unlock the keychain.
const patience = time.Minute

// Name returns what people call the keychain.
func (*Entry) Name() string { return name }

// Get reads the secret. The error is fs.ErrNotExist if the keychain has none, and wraps
// errors.ErrUnsupported if there is no keychain.
func (e *Entry) Get(ctx context.Context) (credential.Secret, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.text.IsZero() {
		return e.text, nil
	}
	err := e.within(ctx, func() error {
		text, err := keyring.Get(e.Service, e.Account)
		if err == nil {
			e.text = credential.NewSecret(text)
		}
		return err
	})
	return e.text, err
}

// Set keeps a secret in place of an earlier one.
func (e *Entry) Set(ctx context.Context, text credential.Secret) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.text = credential.Secret{}
	return e.within(ctx, func() error { return keyring.Set(e.Service, e.Account, text.Reveal()) })
}

// within abandons a call when ctx ends, or when nobody unlocks the keychain.
func (e *Entry) within(ctx context.Context, call func() error) error {
	if !usable(e.Bus) {
		return fmt.Errorf("%w: this session has no keychain", errors.ErrUnsupported)
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case <-ctx.Done():
		return fmt.Errorf("%s does not answer, perhaps until you unlock it: %w", name, ctx.Err())
	case err := <-done:
		return explain(err)
	}
}

// errLocked means that nobody unlocked the keychain.
var errLocked = errors.New("it is locked")

func explain(err error) error {
	if err == nil {
		return nil
	}
	said := credential.Quote(err.Error())
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return fs.ErrNotExist
	case errors.Is(err, keyring.ErrUnsupportedPlatform), missing(err):
		return fmt.Errorf("%w: %s", errors.ErrUnsupported, said)
	case locked(err):
		return fmt.Errorf("%w (%s)", errLocked, said)
	}
	return errors.New(said)
}

// local reports whether an address of D-Bus leads to a socket of this machine. Others reach
// other machines, or start programs.
func local(bus string) bool { return strings.HasPrefix(bus, "unix:") && !strings.Contains(bus, ";") }
