package keyringcache

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Expire makes the ring expire.
func Expire(t *testing.T, k *Keyring) {
	t.Helper()
	if _, err := unix.KeyctlInt(unix.KEYCTL_REVOKE, k.ring, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}

// OnPause calls a function instead of pausing.
func OnPause(t *testing.T, happen func()) {
	t.Helper()
	was := pause
	pause = func(context.Context, time.Duration) { happen() }
	t.Cleanup(func() { pause = was })
}
