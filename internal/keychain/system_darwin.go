package keychain

import (
	"errors"
	"os/exec"
)

const name = "the macOS Keychain"

func usable(string) bool { return true }

func missing(error) bool { return false }

// Exit codes of /usr/bin/security, which are the last byte of errSecInteractionNotAllowed and
// errSecAuthFailed (SecBase.h).
const (
	notAllowed = -25308 & 0xff
	authFailed = -25293 & 0xff
)

// locked reports whether the keychain wants a password that nobody gave, as over SSH.
func locked(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	return ok && (exit.ExitCode() == notAllowed || exit.ExitCode() == authFailed)
}
