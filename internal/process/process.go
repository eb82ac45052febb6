// Package process protects a process's memory from the rest of the machine: no core file, no
// tracing by the same user, no swap where possible. Programs that handle secrets call Protect
// before they read one.
//
// It hides nothing from root and does not wipe memory: a Go program cannot promise that no
// copy of a string remains.
package process

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Protection is the protection of this process.
type Protection struct {
	dump chan os.Signal
}

// Protect applies what the system offers. Call it once, early; it ignores what fails, so that
// the program still runs.
func Protect() Protection {
	protect()
	p := Protection{dump: make(chan os.Signal, 1)}
	quietCrash(p.dump)
	return p
}

// LeaveQuit leaves SIGQUIT to other listeners, for a program that runs another in the
// foreground, until the returned function is called.
func (p Protection) LeaveQuit() (back func()) {
	signal.Stop(p.dump)
	signal.Notify(p.dump, fatalSignals()[1:]...)
	return func() { signal.Notify(p.dump, fatalSignals()...) }
}

// exitBySignal plus the signal's number is what shells report for a process that a signal
// ended.
const exitBySignal = 128

// quietCrash catches signals from other processes on which the Go runtime would print every
// stack and register. That dump has addresses and lengths, and a register can hold any eight
// bytes. A signal from the program's own mistake stays a panic.
func quietCrash(dump chan os.Signal) {
	signal.Notify(dump, fatalSignals()...)
	go func() {
		sig, _ := (<-dump).(syscall.Signal)
		fmt.Fprintf(os.Stderr, "purser: ended by %v, without a dump, which could contain secrets\n", sig)
		os.Exit(exitBySignal + int(sig)) //nolint:forbidigo // as the runtime does, without the dump
	}()
}

// fatalSignals are the signals on which the runtime dumps, starting with the one that a
// person can type.
func fatalSignals() []os.Signal {
	return []os.Signal{
		syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP,
	}
}
