//go:build unix

package childproc

import (
	"os/exec"
	"syscall"
)

// Detach has a program outlive who starts it, and its terminal.
func Detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
