//go:build !unix

package main

import "syscall"

// withoutTerminal does nothing: nothing asks at a terminal here.
func withoutTerminal() *syscall.SysProcAttr { return nil }
