package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/sandbox"
	"purser/internal/wire"
)

func (a *app) sandboxCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Try purser against stand-ins on this machine",
		Long: `sandbox starts stand-ins on loopback: Docker Hub with its registry and token
service, and AWS Secrets Manager. Nothing of it leaves this machine, and no account
is needed.`,
		Example: `  purser sandbox try`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "try",
		Short: "See the main job work: store, check, status",
		Long: `try starts the stand-ins, stores a made-up token with the very code that works for
real, shows what happens with a token that may not push, checks, shows the status,
and leaves nothing behind.`,
		Example: `  purser sandbox try`,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.try(cmd.Context()) },
	})
	return cmd
}

// tour is one run of sandbox try.
type tour struct {
	*app
	sandbox *sandbox.Sandbox
	dir     string
}

const tourConfig = `aws: {profile: mockserver-build, region: eu-west-2}
credentials:
  dockerhub:
    registry: docker.io
    username: mockserver
    repositories: [mockserver/mockserver]
    access: push
    store: {secret: mockserver-build/dockerhub}
    rotate: {every: 90d}
`

func (a *app) try(ctx context.Context) (err error) {
	box, err := sandbox.Start(ctx, sandbox.Options{Random: a.random, Now: a.now})
	if err != nil {
		return fmt.Errorf("start the stand-ins: %w", err)
	}
	dir, err := os.MkdirTemp("", "purser-try-")
	if err != nil {
		return errors.Join(err, box.Close())
	}
	defer func() { err = errors.Join(err, box.Close(), os.RemoveAll(dir)) }()
	t := &tour{app: a, sandbox: box, dir: dir}
	if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(tourConfig), 0o600); err != nil {
		return err
	}
	return t.walk(ctx)
}

// stop is one part of the tour: what is said, and the command that is run.
type stop struct {
	say   string
	args  []string
	stdin credential.Secret
	want  int
}

func (t *tour) walk(ctx context.Context) error {
	good, readOnly := t.sandbox.PushToken, t.sandbox.ReadOnlyToken
	t.say(`On this machine's loopback there are now a stand-in for Docker Hub, with an account
"mockserver" and its repository, and one for AWS Secrets Manager. This purser.yaml, with
no secret in it, says what is wanted:

` + indent(strings.TrimSpace(tourConfig), "    "))
	for _, s := range []stop{
		{`The main job. Someone made a token on Docker's page and pipes it in. purser asks the
registry what it may do, stores it, reads it back, proves that, and makes it current:`, []string{"store", "dockerhub", "--token-stdin", "--create"}, good, exitOK},
		{`The same again: it is there already, so nothing is written.`, []string{"store", "dockerhub", "--token-stdin"}, good, exitOK},
		{`Someone brings a token that was made read-only. docker login would say "Login
Succeeded". purser does not store it, and says what to do:`, []string{"store", "dockerhub", "--token-stdin"}, readOnly, exitBad},
		{`What is stored is still the good one. check reads it as a build agent would, and proves it:`, []string{"check"}, credential.Secret{}, exitOK},
		{`status describes all credentials without reading a value:`, []string{"status"}, credential.Secret{}, exitOK},
	} {
		if err := t.visit(ctx, s); err != nil {
			return err
		}
	}
	t.say(`That was all: the stand-ins are stopped and their files are gone. No byte of a token
was shown. Next: write a purser.yaml of your own, then purser store NAME.`)
	return nil
}

func (t *tour) say(text string) { _, _ = fmt.Fprintf(t.out, "\n%s\n", text) }

// visit runs purser as a person would, on the stand-ins.
func (t *tour) visit(ctx context.Context, s stop) error {
	t.say(s.say)
	input := ""
	if !s.stdin.IsZero() {
		input = "… | "
	}
	_, _ = fmt.Fprintf(t.out, "\n$ %spurser %s\n", input, strings.Join(s.args, " "))
	inner := &app{
		env: config.Environment{Home: t.dir, NoColor: t.env.NoColor, Term: t.env.Term},
		in:  strings.NewReader(s.stdin.Reveal()), out: t.out, err: t.out, tty: t.tty, now: t.now, random: t.random,
		transport: t.sandbox.Transport(), aws: &wire.LocalAWS{Endpoint: t.sandbox.SecretsManagerURL}, dir: t.dir,
	}
	if code := run(ctx, s.args, inner); code != s.want {
		return fmt.Errorf("purser %s ended with code %d; the tour expects %d", s.args[0], code, s.want)
	}
	return nil
}
