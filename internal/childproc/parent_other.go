//go:build unix && !linux

package childproc

import "syscall"

// endWithParent does nothing: only Linux ends a child with its parent. The program finds its
// output closed.
func endWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
