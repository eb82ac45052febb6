//go:build !linux

package realservers

import "os/exec"

// dieWithUs does nothing: this system cannot do it.
func dieWithUs(*exec.Cmd) {}

// killGroup kills the program, but not its children.
func killGroup(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may have exited
}
