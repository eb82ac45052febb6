//go:build !linux && !darwin && !windows

package keychain

const name = "a keychain"

func usable(string) bool { return false }

func missing(error) bool { return false }

func locked(error) bool { return false }
