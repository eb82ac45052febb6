package realservers

import (
	"os/exec"
	"syscall"
)

// dieWithUs puts the program into a process group of its own and ties its life
// to ours: a test binary that panics or runs into its time limit runs no
// cleanups, and would leave servers behind.
func dieWithUs(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup ends the program and what it started.
func killGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended by itself
}
