package keyring

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Expire ends the ring's time.
func Expire(t *testing.T, k *Keyring) {
	t.Helper()
	if _, err := unix.KeyctlInt(unix.KEYCTL_REVOKE, k.ring, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
}
