// Command purser keeps the tokens with which CI pushes container images: it
// takes one from where it is, proves that the registry grants what is needed,
// stores it where the build agents read it, and verifies that it arrived,
// without showing a byte of it.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"syscall"
	"time"

	"purser/internal/config"
	"purser/internal/keyringcache"
	"purser/internal/present"
	"purser/internal/process"
)

func main() {
	protection := process.Protect()
	// To write to a pipe that nobody reads is an error, and not the end in the middle of
	// a change. It is listened for, not ignored: programs that purser runs get the default.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := endOnSignal(context.Background())
	code := run(ctx, os.Args[1:], &app{
		env: config.OSEnvironment(), in: os.Stdin, out: os.Stdout, err: os.Stderr,
		tty: present.Terminal{Path: present.ControllingTerminal}, now: time.Now, random: rand.Reader, system: config.SystemPath, signals: protection.LeaveQuit,
		hold: func() func() { return keyringcache.Hold(keyringcache.Name) },
	})
	stop()
	os.Exit(code)
}
