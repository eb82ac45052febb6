// Package process keeps what a process holds in memory from the rest of the
// machine: no core file, no tracing by the same user, no swap where that can be
// had. Programs that handle secrets call Protect before they read one.
//
// What it does not do: keep anything from root, or wipe memory. A Go program
// cannot promise that no copy of a string is left.
package process

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Protection is what a process is protected with.
type Protection struct {
	dump chan os.Signal
}

// Protect does what the system offers. It is called once, early; a part that
// cannot be had is no reason not to run.
func Protect() Protection {
	protect()
	p := Protection{dump: make(chan os.Signal, 1)}
	quietCrash(p.dump)
	return p
}

// LeaveQuit leaves SIGQUIT to whoever else listens for it, as what runs a program
// in the foreground does, until the function that it returns is called.
func (p Protection) LeaveQuit() (back func()) {
	signal.Stop(p.dump)
	signal.Notify(p.dump, fatalSignals()[1:]...)
	return func() { signal.Notify(p.dump, fatalSignals()...) }
}

// exitBySignal is what shells report for a process that a signal ended, less the
// signal's number.
const exitBySignal = 128

// quietCrash takes the signals on which the Go runtime prints every stack and
// register, when another process sends them. The dump holds addresses and
// lengths, and a register can hold eight bytes of anything. Where the program's
// own mistake raises one, it stays a panic.
func quietCrash(dump chan os.Signal) {
	signal.Notify(dump, fatalSignals()...)
	go func() {
		sig, _ := (<-dump).(syscall.Signal)
		fmt.Fprintf(os.Stderr, "purser: ended by %v; nothing is dumped, since it holds secrets\n", sig)
		os.Exit(exitBySignal + int(sig)) //nolint:forbidigo // what the runtime would do, without the dump
	}()
}

// fatalSignals are those on which the runtime dumps; the first is the one that a
// person can type.
func fatalSignals() []os.Signal {
	return []os.Signal{
		syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP,
	}
}
