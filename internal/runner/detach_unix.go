//go:build unix

package runner

import (
	"os/exec"
	"syscall"
)

// Detach has a program outlive who starts it, and its terminal.
func Detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
