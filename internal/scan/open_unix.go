//go:build unix

package scan

import "syscall"

const nonBlocking = syscall.O_NONBLOCK
