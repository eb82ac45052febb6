package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/childproc"
	"purser/internal/config"
	"purser/internal/consumer"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/redact"
	"purser/internal/wire"
)

type execFlags struct {
	plain bool
	env   string
}

func (a *app) execCommand() *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use:   "exec [NAME…] -- COMMAND [ARGUMENT…]",
		Short: "Run a command that pushes, and leave no login behind",
		Long: `exec runs a command with a private docker configuration. In it docker, skopeo,
podman, helm, crane and others find purser's credential helper and no login;
your contexts, builders and plugins are there as usual. purser removes the
token from what the command prints, also in base64 and other encodings. It
passes on signals, the terminal and the exit code. At the end it removes the
private folder, even if somebody kills purser.

In CI, exec reads its configuration as the credential helper does: from
/etc/purser/purser.yaml, PURSER_CONFIG or PURSER_SECRET_ID, never from the
working directory.

--env puts the user name and the token into two variables of the command, for
tools that cannot use the helper. The command and all that it starts can then
read the token and pass it on, so prefer the helper.`,
		Example: `  purser exec dockerhub -- docker buildx build --push \
      --tag mockserver/mockserver:snapshot .
  purser exec dockerhub -- \
      sh -c 'crane push image.tar mockserver/mockserver:snapshot'
  purser exec --env REGISTRY_USER,REGISTRY_TOKEN dockerhub -- ./publish.sh`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			if dash < 0 || dash == len(args) {
				return &credential.Fault{
					Reason: credential.Usage, What: "exec needs a command to run", Why: "put it after two hyphens: purser exec NAME -- COMMAND",
				}
			}
			return a.exec(cmd.Context(), args[:dash], args[dash:], f)
		},
	}
	cmd.Flags().BoolVar(&f.plain, "no-redact", false, "do not remove the token from the output")
	cmd.Flags().StringVar(&f.env, "env", "", "put user name and token into these variables, `USERVAR,TOKENVAR`")
	return cmd
}

// sweepArgument is the hidden command that waits for another purser to end and then removes
// its folder.
const sweepArgument = "remove-after"

// exitGrace is the time that a command has to end after --timeout.
const exitGrace = 10 * time.Second

func (a *app) exec(ctx context.Context, names, command []string, f execFlags) error {
	userVar, tokenVar, err := consumer.EnvNames(f.env)
	if err != nil {
		return err
	}
	program, err := exec.LookPath(command[0])
	if err != nil {
		return &credential.Fault{Reason: credential.Usage, What: "purser cannot run " + credential.Quote(command[0]), Why: "it is not on the PATH, or is not a program"}
	}
	c, err := a.machine().Consumer(names, a.env.CI)
	if err != nil {
		return err
	}
	var logins []credential.Login
	// The working directory's configuration could name another registry for a token.
	// Reading the logins here fails before the helper sees that configuration.
	if !f.plain || f.env != "" || !c.Trusted {
		if logins, err = a.logins(ctx, c, a.wire()); err != nil {
			return err
		}
	}
	if err := a.tellAgent(ctx, logins); err != nil {
		return err
	}
	remove, err := a.privateFolder(c)
	if err != nil {
		return err
	}
	defer remove()
	if f.env != "" {
		if err := c.Inject(userVar, tokenVar, logins); err != nil {
			return err
		}
	}
	code, err := a.runCommand(ctx, childproc.Command{
		Program: program, Args: command[1:], Env: config.Inherited(c.Vars), Filter: filter(logins, f.plain),
	})
	if err != nil {
		return fmt.Errorf("run %s: %w", credential.Quote(command[0]), err)
	}
	if code != 0 {
		return &present.Reported{Code: code}
	}
	return nil
}

func filter(logins []credential.Login, plain bool) func(io.Writer) childproc.Filter {
	r := redact.New(logins...)
	if plain || r == nil {
		return nil
	}
	return func(to io.Writer) childproc.Filter { return r.NewWriter(to) }
}

// runCommand runs a program until it ends by itself, by a signal that purser passes on, or
// by --timeout.
func (a *app) runCommand(ctx context.Context, cmd childproc.Command) (int, error) {
	a.ending.program.Lock()
	defer a.ending.program.Unlock()
	if ended := credential.Ended(ctx, "about to start a program"); ended != nil {
		return 0, ended
	}
	if a.signals != nil {
		defer a.signals()()
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, childproc.Signals()...)
	defer signal.Stop(signals)
	if cmd.In == nil { // else the command has streams of its own
		a.lent = true
		cmd.In, cmd.Out, cmd.Err = a.in, present.Original(a.out), present.Original(a.err)
	}
	cmd.Signals, cmd.DeadlineGrace = signals, exitGrace
	cmd.After = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	// purser passes signals on; they must not end purser itself.
	limited, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			stop()
		}
	})()
	return cmd.Run(limited)
}

// privateFolder makes the folder, and makes sure that it is removed even if purser is
// killed.
func (a *app) privateFolder(c *consumer.Consumer) (remove func(), err error) {
	parent, err := a.machine().Parent()
	if err != nil {
		return nil, err
	}
	own, err := a.self()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(parent, "purser-")
	if err != nil {
		return nil, fmt.Errorf("make a private folder: %w", err)
	}
	swept, err := childproc.Reap(own, sweepArgument, dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("start the process that removes the private folder: %w", err)
	}
	remove = func() {
		_ = os.RemoveAll(dir)
		swept()
	}
	if err := c.Fill(a.machine(), dir); err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

// sweepCommand removes a private folder when its standard input ends.
func (a *app) sweepCommand() *cobra.Command {
	return &cobra.Command{
		Use: sweepArgument + " FOLDER", Short: "Remove a private folder when its command has ended", Hidden: true,
		Example: `  purser remove-after /tmp/purser-0`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			a.ending.program.Lock() // it survives signals to the whole process group
			defer a.ending.program.Unlock()
			signal.Ignore(os.Interrupt, syscall.SIGTERM)
			_, _ = io.Copy(io.Discard, a.in)
			if !privateName.MatchString(args[0]) {
				return &credential.Fault{Reason: credential.Usage, What: "this is not a private folder of purser's"}
			}
			return os.RemoveAll(args[0])
		},
	}
}

// privateName matches what os.MkdirTemp makes of purser's pattern.
var privateName = credential.NewPattern(`[/\\]purser-[0-9]+$`)

// self is the path of this program.
func (a *app) self() (string, error) {
	if a.program != "" {
		return a.program, nil
	}
	return os.Executable()
}

// logins reads the stored logins as a consumer does.
func (a *app) logins(ctx context.Context, c *consumer.Consumer, w *wire.Wire) ([]credential.Login, error) {
	w.Trusted = c.Trusted
	var all []credential.Login
	for _, one := range c.Credentials {
		one.Targets, one.Via = one.Targets[:1], "" // purser sends it nowhere, and clients have their own certificates
		places, err := a.places(ctx, w, one)
		if err != nil {
			return nil, err
		}
		_, value, err := places[0].Store.Read(ctx, credential.Current)
		if err != nil {
			return nil, err
		}
		login, err := places[0].Target.Shape.Decode(value, one.Registry)
		if err != nil {
			return nil, err
		}
		if login.Username == "" {
			login.Username = one.Username
		}
		all = append(all, login)
	}
	return all, nil
}

// tellAgent registers the tokens with the Buildkite agent, which removes them from the
// job's log. The agent replaces literal text, so it gets the usual encodings too.
func (a *app) tellAgent(ctx context.Context, logins []credential.Login) error {
	if !a.env.Buildkite {
		return nil
	}
	missing := func(why string) error {
		return &credential.Fault{Reason: credential.AgentRedactor, What: "the Buildkite agent cannot redact the token", Why: why + "; purser ran nothing"}
	}
	agent, err := exec.LookPath("buildkite-agent")
	if err != nil {
		return missing("buildkite-agent is not on the PATH")
	}
	for _, l := range logins {
		if err := redact.Tell(ctx, agent, l); err != nil {
			return missing(credential.Quote(err.Error(), l.Token))
		}
	}
	return nil
}
