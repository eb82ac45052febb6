//go:build unix && !linux

package process

func protect() { noCore() }
