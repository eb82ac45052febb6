//go:build !unix

package main

import "syscall"

// withoutTerminal leaves the process as it is: it asks for no terminal here.
func withoutTerminal() *syscall.SysProcAttr { return nil }
