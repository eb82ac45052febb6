//go:build !linux

package namespace

import "os/exec"

// Own does nothing here.
func Own(*exec.Cmd) {}

// Open says that there are none.
func Open() error { return ErrUnsupported }

// Arrange says that there are none.
func Arrange(string, []string, []byte) error { return ErrUnsupported }

// Drop does nothing here.
func Drop() {}
