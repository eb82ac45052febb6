// Command docker-credential-purser is a docker credential helper: docker, podman,
// skopeo, helm, crane and others ask it for the login of a registry at the moment
// in which they need it, and it reads the token from where purser keeps it. It
// writes nothing anywhere.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"purser/internal/config"
	"purser/internal/process"
)

func main() {
	process.Protect()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], &helper{
		env: config.OSEnvironment(), system: config.SystemPath, in: os.Stdin, out: os.Stdout, err: os.Stderr, now: time.Now,
	})
	stop()
	os.Exit(code)
}
