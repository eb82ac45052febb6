package keychain

import (
	"errors"

	"golang.org/x/sys/windows"
)

const name = "Windows' Credential Manager"

func usable(string) bool { return true }

// missing reports whether this session has no credentials, such as one over the network.
func missing(err error) bool { return errors.Is(err, windows.ERROR_NO_SUCH_LOGON_SESSION) }

// locked is false: Windows opens the credentials when the person signs in.
func locked(error) bool { return false }
