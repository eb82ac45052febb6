//go:build !unix

package childproc

import "os/exec"

// Detach does nothing: on this system programs outlive their parent.
func Detach(*exec.Cmd) {}
