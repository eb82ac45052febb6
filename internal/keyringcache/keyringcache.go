// Package keyringcache keeps a text in the kernel's keyring for some seconds, readable only
// by processes of the same user, and lets one process at a time fetch a missing text. The
// text is in no file, and expires whatever happens to the process that put it there. New
// fails where the kernel has no keyring or a container forbids it.
package keyringcache

import (
	"context"
	"errors"
	"time"

	"purser/internal/credential"
)

// ErrUnavailable means that the kernel has no keyring for purser.
var ErrUnavailable = errors.New("the kernel's keyring is unavailable")

// Name is the keyring that the credential helper and purser share.
const Name = "purser"

// Keyring is purser's part of the user's keyring, as of when it was opened: nobody finds
// what is put there after another process called Clear or Hold. So a text fetched before a
// change cannot come back after it.
type Keyring struct {
	name string
	ring int
}

// New opens the keyring of a name. The error is ErrUnavailable, or wraps it.
func New(name string) (*Keyring, error) { return open(name) }

// Get returns the text under a name, unless it has expired.
func (k *Keyring) Get(name string) (credential.Secret, bool) { return k.get(name) }

// Put keeps a text for a time, rounded up to whole seconds. It replaces an earlier text.
func (k *Keyring) Put(name string, text credential.Secret, life time.Duration) error {
	return k.put(name, text, life)
}

// Clear removes everything, including what is about to be put.
func (k *Keyring) Clear() error { return k.renew(0) }

// Hold clears the keyring and prevents new entries until it is released. The hold of a
// killed process ends by itself. Without a keyring, Hold does nothing.
func Hold(name string) (release func()) {
	k, err := New(name)
	if err != nil || k.renew(longestHold) != nil {
		return func() {}
	}
	return func() { _ = k.Clear() } // if this fails, the hold expires
}

// longestHold exceeds the time that a change of a store takes.
const longestHold = time.Minute

// Alone waits until no other process of this user works under the name. The first to come
// is alone at once; one that had to wait finds what the other put there, or does without. It
// never waits beyond ctx, nor for another user, except for the instant in which the owner
// of the name is unknown.
func (k *Keyring) Alone(ctx context.Context, name string) (done func(), waited bool) {
	return alone(ctx, name)
}
