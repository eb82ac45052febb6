package keyring_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/keyring"
)

// TestAHoldEndsByItself looks at what the kernel says, and at what is done with one that
// has ended.
func TestAHoldEndsByItself(t *testing.T) {
	open(t)
	keyring.Hold(ringName())
	raw, err := os.ReadFile("/proc/keys")
	if err != nil {
		t.Skipf("%v: skipped", err)
	}
	timed := false
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		timed = timed || strings.Contains(line, ringName()+":") && fields[4] == "3b3b0000" && fields[3] != "perm"
	}
	if !timed {
		t.Error("it has no end")
	}
	keyring.Expire(t, open(t))
	if err := open(t).Put("there", credential.NewSecret("FAKE"), time.Minute); err != nil {
		t.Error(err)
	}
}
