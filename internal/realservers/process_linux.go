package realservers

import (
	"os/exec"
	"syscall"
)

// dieWithUs starts the program in its own process group and kills it when this process dies: a test
// binary that panics or times out runs no cleanups.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills the program and its children.
func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have exited
}
