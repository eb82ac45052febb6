// Command purser keeps the tokens with which CI pushes container images: it checks them
// with the registry, stores them where the build agents read them, and never shows one.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"syscall"
	"time"

	"purser/internal/config"
	"purser/internal/keychain"
	"purser/internal/keyringcache"
	"purser/internal/present"
	"purser/internal/process"
)

func main() {
	protection := process.Protect()
	// Writing to a closed pipe must fail, not kill purser in the middle of a change.
	// Notify, unlike Ignore, leaves the default to the programs that purser runs.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := endOnSignal(context.Background())
	env := config.OSEnvironment()
	code := run(ctx, os.Args[1:], &app{
		env: env, in: os.Stdin, out: os.Stdout, err: os.Stderr,
		tty: present.Terminal{Path: present.ControllingTerminal}, now: time.Now, random: rand.Reader, system: config.SystemPath(), signals: protection.LeaveQuit,
		hold: func() func() { return keyringcache.Hold(keyringcache.Name) }, keychain: keychain.AgeIdentity(env.SessionBus),
	})
	stop()
	os.Exit(code)
}
