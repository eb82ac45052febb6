//go:build !unix

package runner

import "os/exec"

// Detach does nothing here: programs outlive who starts them anyway.
func Detach(*exec.Cmd) {}
