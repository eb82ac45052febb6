//go:build !windows

package present

// ControllingTerminal is the path of the process's own terminal.
const ControllingTerminal = "/dev/tty"
