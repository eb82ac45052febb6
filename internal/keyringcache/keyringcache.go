// Package keyringcache keeps a text in the kernel's keyring for some seconds, where
// only processes of the same user can read it, and lets one process at a time
// fetch what is not there yet. It is in no file, and gone when its time is over,
// whatever happens to the process that put it there.
//
// Where the kernel has no keyring, or a container forbids it, New says so.
package keyringcache

import (
	"context"
	"errors"
	"time"

	"purser/internal/credential"
)

// ErrUnavailable is returned where there is no keyring to be had.
var ErrUnavailable = errors.New("the kernel's keyring is not to be had here")

// Name is that of the keyring which the credential helper and purser share.
const Name = "purser"

// Keyring is purser's own part of the user's keyring, as it was when it was opened:
// what is put there after another process has called Clear or Hold is found by nobody.
// So a text that was fetched before a change cannot come back after it.
type Keyring struct {
	name string
	ring int
}

// New opens the keyring of a name. The error is ErrUnavailable, or wraps it.
func New(name string) (*Keyring, error) { return open(name) }

// Get is the text under a name, when there is one whose time is not over.
func (k *Keyring) Get(name string) (credential.Secret, bool) { return k.get(name) }

// Put keeps a text for a time, which is counted in whole seconds, upwards. What
// was there under the name is replaced.
func (k *Keyring) Put(name string, text credential.Secret, life time.Duration) error {
	return k.put(name, text, life)
}

// Clear removes everything that is kept, and what is about to be.
func (k *Keyring) Clear() error { return k.renew(0) }

// Hold clears the keyring of a name, and has nothing kept in it until it is released. The
// hold of a process that was killed ends by itself. Where there is no keyring, there is
// nothing to hold.
func Hold(name string) (release func()) {
	k, err := New(name)
	if err != nil || k.renew(longestHold) != nil {
		return func() {}
	}
	return func() { _ = k.Clear() } // else the hold ends with its time
}

// longestHold is longer than a change of a store takes.
const longestHold = time.Minute

// Alone waits until no other process of this user is at work under the name. The
// first to come is alone at once; one that had to wait finds what the other put
// there, or does without. It never waits longer than ctx, nor for another user but the
// instant in which who has the name cannot be told.
func (k *Keyring) Alone(ctx context.Context, name string) (done func(), waited bool) {
	return alone(ctx, name)
}
