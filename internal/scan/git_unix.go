//go:build unix

package scan

import (
	"os/exec"
	"syscall"
)

// apart starts git apart from the person's terminal, where ssh would ask. When its context
// ends, git's helpers end with it.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
