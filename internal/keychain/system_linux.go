package keychain

import (
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

const name = "the desktop's keyring"

func usable(bus string) bool { return local(bus) }

// nobody lists D-Bus's answers for a service, or its keyring, that is not there
// (D-Bus specification; Secret Service specification).
var nobody = []string{
	"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner", "org.freedesktop.DBus.Error.UnknownObject",
	"org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownInterface", "org.freedesktop.Secret.Error.NoSuchObject",
}

// missing reports whether there is no bus, no Secret Service on it, or no keyring in that.
func missing(err error) bool {
	if e, ok := errors.AsType[dbus.Error](err); ok {
		return slices.Contains(nobody, e.Name)
	}
	_, unreachable := errors.AsType[*os.SyscallError](err)
	return unreachable || locked(err) && strings.HasSuffix(err.Error(), noDefault)
}

// The errors of go-keyring for a locked keyring have no type. A missing one is a default one
// that cannot be unlocked.
const (
	notUnlocked = "failed to unlock"
	noDefault   = "'/org/freedesktop/secrets/aliases/default'"
)

// locked reports whether nobody entered the keyring's password.
func locked(err error) bool { return strings.HasPrefix(err.Error(), notUnlocked) }
