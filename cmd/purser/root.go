package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/account"
	"purser/internal/agent"
	"purser/internal/arguments"
	"purser/internal/buildinfo"
	"purser/internal/completion"
	"purser/internal/config"
	"purser/internal/consumer"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/manual"
	"purser/internal/practice"
	"purser/internal/present"
	"purser/internal/wire"
)

// app holds what a command gets from outside, so that tests can replace it.
type app struct {
	env       config.Environment
	in        io.Reader
	out, err  io.Writer
	tty       present.Terminal
	now       func() time.Time
	random    io.Reader
	transport http.RoundTripper                             // to registries; nil: the real one
	aws       *wire.LocalAWS                                // a stand-in for AWS; nil: the real one
	dir       string                                        // the working directory; "": the process's
	system    string                                        // the path of a build agent's configuration
	program   string                                        // the path of purser itself; "": the process's
	wait      func(context.Context, time.Duration) error    // nil waits by the clock
	follow    func(lifecycle.Event)                         // gets each event as well; may be nil
	signals   func() func()                                 // leaves fatal signals to a program that purser runs, until the returned function runs
	asks      bool                                          // a person can answer, wherever the output goes
	keychain  wire.Keychain                                 // has the age identity if no file does; nil: only files
	hold      func() (release func())                       // keeps credential helpers from caching logins until release; nil: does nothing
	consent   func(context.Context, present.Decision) error // asks a person without a terminal; nil: only a terminal can

	person   *agent.Person // the person whose agent runs purser; nil: no agent does
	patience time.Duration // how long agents' clients wait; 0: the default

	output arguments.Output
	config string
	given  credential.Given
	debug  bool
	wide   bool
	limit  arguments.Limit
	ending *ending // of the current command

	lent      bool // a program that purser ran had standard output
	evaluated bool // a shell evaluates the output: see jobFailed

	touched *touched     // by the current command
	loaded  *config.File // by the current command, once
}

// run executes one command line and returns the exit code. It returns soon after ctx ends,
// whatever the command does.
func run(ctx context.Context, args []string, a *app) int {
	screen := &present.Screen{Wide: &a.wide}
	out, errs := &present.Stream{To: a.out, Screen: screen}, &present.Stream{To: a.err, Screen: screen}
	a.out, a.err, a.ending, a.touched, a.loaded = out, errs, &ending{overdue: make(chan struct{})}, &touched{}, nil
	a.lent, a.evaluated = false, startsJob(args)
	done := make(chan int, 1)
	go func() { done <- a.run(ctx, args) }()
	select {
	case code := <-done:
		return a.delivered(out, errs, code)
	case <-a.ending.overdue:
		return a.cut(out, errs)
	}
}

func (a *app) run(ctx context.Context, args []string) (code int) {
	defer func() {
		if bug := recover(); bug != nil {
			code = present.ExitFailed
			_, _ = io.WriteString(a.err, present.BugText(bug))
			a.report(present.Crashed(fmt.Sprintf("a bug in purser (%T)", bug)))
			a.jobFailed(code)
		}
	}()
	err := a.facts(a.ending.plain(a.execute(ctx, args)))
	var done *present.Reported
	if errors.As(err, &done) {
		return done.Code
	}
	if err != nil {
		a.printError(err)
	} else {
		a.report(present.ReportOf(nil)) // for a command without a report of its own
	}
	return present.ExitCode(err)
}

func (a *app) execute(ctx context.Context, args []string) error {
	if err := cmp.Or(arguments.RefuseTokens(args), arguments.RefuseEscapes(args), a.env.CheckTokens()); err != nil {
		a.output.JSON = a.output.JSON || arguments.AskForJSON(args)
		return err
	}
	root := a.root()
	stop := func() {}
	defer func() { stop() }()
	root.PersistentPreRun = func(cmd *cobra.Command, _ []string) {
		a.given = arguments.Given(cmd, a.config)
		if a.limit > 0 {
			var limited context.Context
			limited, stop = endAfter(cmd.Context(), time.Duration(a.limit))
			cmd.SetContext(limited)
		}
		a.ending.watch(cmd.Context())
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		a.output.JSON = a.output.JSON || arguments.AskForJSON(args)
		return arguments.FlagFault(cmd, err)
	})
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, rest []string) {
		if a.output.JSON = a.output.JSON || arguments.AskForJSON(args); !a.output.JSON {
			help(cmd, rest)
			return
		}
		var text strings.Builder
		cmd.SetOut(&text)
		help(cmd, rest)
		a.writeJSON(present.ReportOf(nil).With("help", text.String()))
	})
	root.SetArgs(args)
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	cmd, err := root.ExecuteContextC(ctx)
	return arguments.GuideFlags(cmd, err)
}

func (a *app) root() *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "purser",
		Short: "Check, store and rotate your CI's registry tokens, without showing them",
		Long: `purser keeps the tokens with which your CI pushes container images. It takes a
token from you or has the registry make one, checks with the registry that the
token can push, stores it where your build agents read it, and checks what it
stored. It never shows a token.

Exit codes:

  0  done
  1  failed
  2  wrong usage or configuration
  3  the registry refuses the token
  4  not signed in to AWS, or not allowed there
  5  a secret is missing that Terraform should have created
  6  unknown: no answer, --timeout, or a signal

Ctrl-C, SIGTERM or --timeout ends every command within a second. purser undoes
what it had begun and says what it was doing; the next run finishes the work. A
second signal ends purser at once.`,
		Example: `  purser sandbox try           see the main job at work, on this machine
  purser init                  write purser.yaml, which names your credentials
  purser doctor                see what is missing, and how to fix it
  purser store dockerhub       check and store a token that you paste
  purser check                 check what is stored, for cron
  purser rotate --due --yes    renew what is due, for a schedule
  purser respond dockerhub     stop and replace a token that may have leaked
  purser status                list all credentials, without values
  purser completion --help     let your shell complete commands and names
  purser schema output         describe what --output json prints`,
		SilenceErrors: true, SilenceUsage: true,
		Args: arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return a.tellVersion()
			}
			return cmd.Help()
		},
	}
	root.Flags().BoolVarP(&version, "version", "v", false, "print purser's version")
	arguments.FitHelp(root)
	root.SetHelpCommand(arguments.HelpCommand())
	flags := root.PersistentFlags()
	flags.VarP(&a.output, "output", "o", "print text or json")
	flags.StringVar(&a.config, "config", a.config, "the configuration `FILE` (default purser.yaml, here or in a parent folder)")
	flags.BoolVar(&a.debug, "debug", false, "show requests on standard error, with secrets removed")
	flags.BoolVar(&a.wide, "wide", false, "show whole tables and lines, however narrow the terminal")
	flags.Var(&a.limit, "timeout", "give up after this time, such as 30s")
	host := a.host()
	root.AddCommand(a.initCommand(), a.loginCommand(), a.logoutCommand(), a.storeCommand(), a.tokensCommand(), a.doctorCommand(), a.terraformCommand(), a.configureDockerCommand(), a.execCommand(), a.jobCommand(), a.checkCommand(), a.statusCommand(), a.rotateCommand(), a.rollbackCommand(), a.revokeCommand(), a.respondCommand(), a.scanCommand(), a.receiptCommand(), host.RehearseCommand(), a.schemaCommand(), manual.Command(buildinfo.This().Version, a.env.SourceDate, a.now, a.tellManual), host.SandboxCommand(), a.mcpCommand(), a.versionCommand(), a.sweepCommand())
	root.AddCommand(completion.Command(a.out))
	root.InitDefaultHelpCmd()
	completion.Offer(root, completion.Sources{
		Project: a.project, Profiles: func() ([]string, error) { return a.wire().Profiles().Names() }, Tokens: a.knownTokens,
		Scenarios: practice.Scenarios(), Faults: practice.FaultPlaces(),
	})
	arguments.Guide(root)
	return root
}

// knownTokens lists the tokens of an account for completion, if there is a session. It
// prints nothing.
func (a *app) knownTokens(ctx context.Context, host credential.Host, of string) []credential.ManagedToken {
	quiet := *a
	quiet.debug, quiet.err = false, io.Discard
	return quiet.desk(quiet.wire()).Known(ctx, account.Owner{Registry: host, Account: of})
}

// desk signs people in to registries.
func (a *app) desk(w *wire.Wire) *account.Desk {
	return &account.Desk{
		Wire: w, Env: a.env, Now: a.now, Err: a.err, Interactive: a.interactive, Line: a.tty.Line, Secret: a.tty.Secret, Decide: a.decide, Agent: a.consent != nil,
		Facts: func(c credential.Credential) []string { return facts(w, c) }, Changed: a.touched.after, Terminal: a.tty.Open, Run: a.runCommand,
	}
}

// machine describes where a command that pushes runs.
func (a *app) machine() *consumer.Machine {
	return &consumer.Machine{Env: a.env, System: a.system, Config: a.config, Dir: a.dir, Project: a.project, Wire: a.wire, Self: a.self}
}

// host gives practice what it needs of purser.
func (a *app) host() *practice.Host {
	return &practice.Host{
		Env: a.env, Out: a.out, Err: a.err, Now: a.now, Random: a.random, Dir: a.dir,
		JSON: func() bool { return a.output.JSON }, Config: func() string { return a.config },
		Project: a.project, Self: a.self, Run: a.runCommand,
		Purser: func(ctx context.Context, args []string, on practice.Scene) int {
			return run(ctx, args, &app{
				env: on.Env, in: on.In, out: on.Out, err: on.Out, tty: a.tty, now: on.Now, random: a.random,
				transport: on.Transport, aws: &wire.LocalAWS{Endpoint: on.AWS}, dir: on.Dir, wait: on.Wait,
				consent: func(context.Context, present.Decision) error { return nil }, // the stand-ins hold no real token
			})
		},
	}
}

// load reads the configuration for commands that read stored values. In CI, and on a
// machine with its own configuration, the working directory cannot change it: a pull
// request could name another registry. load reads it once per command, so what purser
// checks is what it uses. Without a file it returns nil, unless needed.
func (a *app) load(needed bool) (*config.File, error) {
	if a.loaded == nil {
		file, err := a.read(needed)
		if err != nil || file == nil {
			return nil, err
		}
		a.loaded = file
	}
	return a.loaded, nil
}

func (a *app) read(needed bool) (*config.File, error) {
	_, err := os.Lstat(a.system)
	if own := err == nil; !own && !a.env.CI {
		return a.project(needed)
	}
	env := a.env
	env.Config = cmp.Or(a.config, env.Config)
	file, err := config.Trusted(env, a.system)
	if !needed && credential.ReasonOf(err) == credential.NoConfiguration {
		return nil, nil // no file, and none is needed
	}
	return file, err
}

// project reads the working directory's purser.yaml, for commands that read no stored
// value. Without a file it returns nil, unless needed.
func (a *app) project(needed bool) (*config.File, error) {
	dir := a.dir
	if dir == "" {
		dir, _ = os.Getwd() // without one, only --config or PURSER_CONFIG names a file
	}
	path, err := config.Find(a.config, a.env, dir)
	if err != nil {
		return nil, err
	}
	if path == "" {
		if !needed {
			return nil, nil // no file, and none is needed
		}
		return nil, &credential.Fault{
			Reason: credential.NoConfiguration, What: "there is no purser.yaml here or in a parent folder",
			Why: "purser.yaml names your credentials; --config FILE names another file",
		}
	}
	file, err := config.Load(path, a.env)
	if err == nil {
		file.Trusted = cmp.Or(a.config, a.env.Config) != "" && config.IsTrusted(path)
	}
	if err == nil && !file.Trusted {
		for i := range file.Credentials {
			file.Credentials[i].Via = wire.Via(file.Credentials[i])
		}
	}
	return file, err
}

func (a *app) wire() *wire.Wire {
	w := &wire.Wire{Env: a.env, Now: a.now, Transport: a.transport, AWS: a.aws, Passphrase: a.passphrase, Agree: a.agreeOnRegistry, Hold: a.hold, Keychain: a.keychain}
	if a.debug {
		w.Debug = a.err
	}
	return w
}

// between wraps the registry in builds that a test must catch: see leak.go. Otherwise it is
// nil.
var between func(lifecycle.Prover) lifecycle.Prover

// runner makes a lifecycle.Runner.
func (a *app) runner(w *wire.Wire, follow func(lifecycle.Event)) *lifecycle.Runner {
	var prover lifecycle.Prover = w
	if between != nil {
		prover = between(w)
	}
	return &lifecycle.Runner{
		Prover: prover, Issuer: w, Now: a.now, Random: a.random, Wait: a.wait, Leases: a.leases(), Report: a.reporter(follow), Trusted: w.Trusted, Agree: a.agreeOnPlaces,
	}
}

// places opens the stores of a credential.
func (a *app) places(ctx context.Context, w *wire.Wire, c credential.Credential) ([]lifecycle.Place, error) {
	if err := a.offerSignIn(ctx, w, c.Targets); err != nil {
		return nil, err
	}
	made := make([]lifecycle.Place, 0, len(c.Targets))
	for _, t := range c.Targets {
		s, err := w.Store(ctx, c, t)
		if err != nil {
			return nil, err
		}
		made = append(made, lifecycle.Place{Target: w.Target(c, t), Store: notedStore{s, a.touched}})
	}
	return made, nil
}

func (a *app) work(ctx context.Context, w *wire.Wire, credentials []credential.Credential) ([]lifecycle.Work, error) {
	all := make([]lifecycle.Work, 0, len(credentials))
	for _, c := range credentials {
		p, err := a.places(ctx, w, c)
		if err != nil {
			return nil, err
		}
		all = append(all, lifecycle.Work{Credential: c, Places: p})
	}
	return all, nil
}

// passphrase asks for the passphrase of an encrypted file, twice to confirm a new one.
func (a *app) passphrase(ctx context.Context, confirm bool) (credential.Secret, error) {
	first, err := a.tty.Secret(ctx, "Passphrase of the encrypted file (not shown): ")
	if err != nil || !confirm {
		return credential.NewSecret(string(first)), err
	}
	again, err := a.tty.Secret(ctx, "Repeat the passphrase: ")
	if err != nil {
		return credential.Secret{}, err
	}
	if string(first) != string(again) || len(first) == 0 {
		return credential.Secret{}, &credential.Fault{Reason: credential.Declined, What: "the two passphrases differ or are empty"}
	}
	return credential.NewSecret(string(first)), nil
}
