// Command docker-credential-purser is a docker credential helper. docker, podman, skopeo, helm, crane and
// others ask it for a registry's login, and it reads the token from purser's store. It writes no files. If
// the kernel has a keyring, it caches the login there for a minute, because a docker command may ask six
// times.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"purser/internal/config"
	"purser/internal/keychain"
	"purser/internal/process"
)

func main() {
	process.Protect()
	// It runs for milliseconds: garbage collection would cost more than the memory.
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(memoryLimit)
	// A broken pipe then becomes a write error and exit code 1.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// Other signals may kill it at any time, since it leaves nothing behind.
	env := config.OSEnvironment()
	os.Exit(run(context.Background(), os.Args[1:], &helper{
		env: env, system: config.SystemPath(), in: os.Stdin, out: os.Stdout, err: os.Stderr, now: time.Now, keyring: kernelKeyring,
		keychain: keychain.AgeIdentity(env.SessionBus),
	}))
}

// memoryLimit is where garbage collection starts after all, in bytes: a client may send much.
const memoryLimit = 16 << 20
