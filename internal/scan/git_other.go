//go:build !unix

package scan

import "os/exec"

// apart starts git apart from the person's terminal, where that is possible.
func apart(*exec.Cmd) {}
