//go:build unix

package childproc

import (
	"os/exec"
	"syscall"
)

// Detach makes a program outlive its parent and its terminal.
func Detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
