// Command purser-exposure searches everything that leaves purser for the secrets that it
// was given. It is for those who work on purser, and no part of the product.
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
stand-ins on loopback: when all goes well, when the registry or AWS refuses, hangs,
breaks off or repeats the token in its answers, and when the process is interrupted,
crashes or is killed. It then searches what was printed, the arguments and the
environment of child processes, every byte written to any file or socket, the hosts
that were called, and what was left behind, for the tokens, passwords and bearers:
plain, reversed, and in base64, hex, URL-, JSON- and shell-escaped form, every piece
of six characters. A shell that leaks on purpose shows that the search can find.

It needs Linux, strace and root: purser forbids that its own user traces it.
It ends with 0 when nothing was found and with 1 otherwise.

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
	flags.StringVar(&o.helper, "helper", "", "the docker-credential-purser `FILE` to watch as well")
	flags.StringVar(&o.leaking, "leaking", "", "a purser `FILE` built with -tags leak: adds panics, and leaks that must be found")
	flags.StringVar(&o.only, "only", "", "run only flows whose name has this `TEXT` in it")
	flags.BoolVar(&o.json, "json", false, "print JSON")
	_ = flags.Parse(os.Args[1:]) // it ends the program itself
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
