//go:build unix && !linux && !darwin

package process

func protect() { noCore() }
