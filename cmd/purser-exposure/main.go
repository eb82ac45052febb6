// Command purser-exposure searches everything that leaves purser for secrets. It is a tool for purser's
// developers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	_ "purser/internal/wire/kinds" // the forms of tokens
)

const usage = `purser-exposure runs every command of purser under strace, with made-up tokens and
stand-ins on loopback. It covers success, a registry or AWS that refuses, hangs, cuts the
connection or repeats the token, and a process that is interrupted, crashes or is killed.
Then it searches for tokens, passwords and bearers in output, children's arguments and
environments, connections, files left behind, and every byte written to a file or socket.
It finds them plain, reversed, and in base64, hex, URL, JSON and shell escapes, in pieces
of six characters. A shell that leaks on purpose shows that the search works.

It needs Linux, strace and root, because purser keeps its own user from tracing it.
It exits with 0 if it found nothing, and with 1 otherwise.

  sudo purser-exposure --purser bin/purser --helper bin/docker-credential-purser

`

func main() {
	var o options
	flags := flag.NewFlagSet("purser-exposure", flag.ExitOnError)
	flags.Usage = func() {
		_, _ = fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&o.purser, "purser", "", "the purser `FILE` to watch")
	flags.StringVar(&o.helper, "helper", "", "the docker-credential-purser `FILE` to watch")
	flags.StringVar(&o.leaking, "leaking", "", "a purser `FILE` built with -tags leak: adds panics, and leaks that must be found")
	flags.StringVar(&o.only, "only", "", "run only flows whose name contains this `TEXT`")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	_ = flags.Parse(os.Args[1:]) // it exits on errors
	if o.purser == "" || flags.NArg() > 0 {
		flags.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	clean, err := search(ctx, o, os.Stdout)
	stop()
	if err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "purser-exposure: %v\n", err)
	}
	if err != nil || !clean {
		os.Exit(1)
	}
}
