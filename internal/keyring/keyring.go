// Package keyring keeps a text in the kernel's keyring for some seconds, where
// only processes of the same user can read it, and lets one process at a time
// fetch what is not there yet. It is in no file, and gone when its time is over,
// whatever happens to the process that put it there.
//
// Where the kernel has no keyring, or a container forbids it, New says so.
package keyring

import (
	"context"
	"errors"
	"time"

	"purser/internal/credential"
)

// ErrUnavailable is returned where there is no keyring to be had.
var ErrUnavailable = errors.New("the kernel's keyring is not to be had here")

// Keyring is purser's own part of the user's keyring.
type Keyring struct{ ring int }

// New opens it. The error is ErrUnavailable, or wraps it.
func New() (*Keyring, error) { return open() }

// Get is the text under a name, when there is one whose time is not over.
func (k *Keyring) Get(name string) (credential.Secret, bool) { return k.get(name) }

// Put keeps a text for a time, which is counted in whole seconds, upwards. What
// was there under the name is replaced.
func (k *Keyring) Put(name string, text credential.Secret, life time.Duration) error {
	return k.put(name, text, life)
}

// Clear removes everything that purser keeps for this user.
func (k *Keyring) Clear() error { return k.clear() }

// Alone waits until no other process of this user is at work under the name. The
// first to come is alone at once; one that had to wait finds what the other put
// there, or does without. It never waits longer than ctx, nor for another user.
func (k *Keyring) Alone(ctx context.Context, name string) (done func(), waited bool) {
	return alone(ctx, name)
}
