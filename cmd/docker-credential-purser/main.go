// Command docker-credential-purser is a docker credential helper: docker, podman,
// skopeo, helm, crane and others ask it for the login of a registry at the moment
// in which they need it, and it reads the token from where purser keeps it. It
// writes no file. Where the kernel has a keyring, that keeps the login for a
// minute, since one docker command asks up to six times.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"purser/internal/config"
	"purser/internal/process"
)

func main() {
	process.Protect()
	// It lives for milliseconds: collecting garbage would cost more than the memory.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	// A client that has gone is an answer that was not given, and exit code 1.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// Any other signal may end it at any instruction, since nothing is left behind.
	os.Exit(run(context.Background(), os.Args[1:], &helper{
		env: config.OSEnvironment(), system: config.SystemPath, in: os.Stdin, out: os.Stdout, err: os.Stderr, now: time.Now, keyring: kernelKeyring,
	}))
}

// memoryLimit is where garbage is collected after all, in bytes: a client could
// give it much to read.
const memoryLimit = 16 << 20
