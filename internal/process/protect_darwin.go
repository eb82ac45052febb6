package process

import "golang.org/x/sys/unix"

// protect disables core files, and ends every attempt to trace the process (ptrace(2),
// PT_DENY_ATTACH).
func protect() {
	noCore()
	_ = unix.PtraceDenyAttach()
}
