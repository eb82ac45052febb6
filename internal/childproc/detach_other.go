//go:build !unix

package childproc

import "os/exec"

// Detach does nothing here: programs outlive who starts them anyway.
func Detach(*exec.Cmd) {}
