//go:build !linux

package namespace

import "os/exec"

// Own does nothing on this system.
func Own(*exec.Cmd) {}

// Open fails on this system.
func Open() error { return ErrUnsupported }

// Arrange fails on this system.
func Arrange(string, []string, []byte) error { return ErrUnsupported }

// Drop does nothing on this system.
func Drop() {}
