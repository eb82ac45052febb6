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

// app is what a command gets from outside: everything that a test holds.
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
	program   string                                        // purser itself, to start it again; "": the process's
	wait      func(context.Context, time.Duration) error    // nil waits on the clock
	follow    func(lifecycle.Event)                         // is told what happens as well; may be nil
	signals   func() func()                                 // leaves signals that would end purser to a program that it runs, until undone
	asks      bool                                          // a person is there to be asked whatever standard output is
	hold      func() (release func())                       // has credential helpers keep no login until it is released; nil: none do
	consent   func(context.Context, present.Decision) error // asks a person where no terminal is; nil: only a terminal can

	person   *agent.Person // for whom an agent runs purser; nil: none does
	patience time.Duration // of agents' clients; 0: the usual

	output arguments.Output
	config string
	given  credential.Given
	debug  bool
	wide   bool
	limit  arguments.Limit
	ending *ending // of the command that runs

	lent      bool // standard output was, to a program that purser ran
	evaluated bool // a shell evaluates what the command prints: see jobFailed

	touched *touched     // by the command that runs
	loaded  *config.File // by the command that runs, once
}

// run executes one command line and returns the exit code. It returns soon after ctx
// has ended, whatever the command is at.
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
		a.report(present.ReportOf(nil)) // of a command that has nothing else to tell
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
	root.AddCommand(a.initCommand(), a.loginCommand(), a.logoutCommand(), a.storeCommand(), a.tokensCommand(), a.doctorCommand(), a.terraformCommand(), a.configureDockerCommand(), a.execCommand(), a.jobCommand(), a.checkCommand(), a.statusCommand(), a.rotateCommand(), a.rollbackCommand(), a.revokeCommand(), a.respondCommand(), a.receiptCommand(), host.RehearseCommand(), a.schemaCommand(), manual.Command(buildinfo.This().Version, a.env.SourceDate, a.now, a.tellManual), host.SandboxCommand(), a.mcpCommand(), a.versionCommand(), a.sweepCommand())
	root.AddCommand(completion.Command(a.out))
	root.InitDefaultHelpCmd()
	completion.Offer(root, completion.Sources{
		Project: a.project, Profiles: func() ([]string, error) { return a.wire().Profiles().Names() }, Tokens: a.knownTokens,
		Scenarios: practice.Scenarios(), Faults: practice.FaultPlaces(),
	})
	arguments.Guide(root)
	return root
}

// knownTokens are those of an account, where a session is at hand. Nothing is printed.
func (a *app) knownTokens(ctx context.Context, host credential.Host, of string) []credential.ManagedToken {
	quiet := *a
	quiet.debug, quiet.err = false, io.Discard
	return quiet.desk(quiet.wire()).Known(ctx, account.Owner{Registry: host, Account: of})
}

// desk is where people sign in to registries.
func (a *app) desk(w *wire.Wire) *account.Desk {
	return &account.Desk{
		Wire: w, Env: a.env, Now: a.now, Err: a.err, Interactive: a.interactive, Line: a.tty.Line, Secret: a.tty.Secret, Decide: a.decide, Agent: a.consent != nil,
		Facts: func(c credential.Credential) []string { return facts(w, c) }, Changed: a.touched.after, Terminal: a.tty.Open, Run: a.runCommand,
	}
}

// machine is where a command that pushes is to run.
func (a *app) machine() *consumer.Machine {
	return &consumer.Machine{Env: a.env, System: a.system, Config: a.config, Dir: a.dir, Project: a.project, Wire: a.wire, Self: a.self}
}

// host is what practice gets of purser.
func (a *app) host() *practice.Host {
	return &practice.Host{
		Env: a.env, Out: a.out, Err: a.err, Now: a.now, Random: a.random, Dir: a.dir,
		JSON: func() bool { return a.output.JSON }, Config: func() string { return a.config },
		Project: a.project, Self: a.self, Run: a.runCommand,
		Purser: func(ctx context.Context, args []string, on practice.Scene) int {
			return run(ctx, args, &app{
				env: on.Env, in: on.In, out: on.Out, err: on.Out, tty: a.tty, now: on.Now, random: a.random,
				transport: on.Transport, aws: &wire.LocalAWS{Endpoint: on.AWS}, dir: on.Dir, wait: on.Wait,
				consent: func(context.Context, present.Decision) error { return nil }, // the stand-ins hold nobody's token
			})
		},
	}
}

// load reads the configuration of a command that reads what is stored; none is no error
// where flags may say everything. In CI, and where the machine has a configuration of
// its own, it is one that the working directory cannot change: a pull request could
// name another registry there. It is read once for a command: what was looked at is what is
// used.
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

// project reads the purser.yaml of the working directory, for commands that read no
// stored value; none is no error where none is needed.
func (a *app) project(needed bool) (*config.File, error) {
	dir := a.dir
	if dir == "" {
		dir, _ = os.Getwd() // without one, only the chosen file can be found
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
	w := &wire.Wire{Env: a.env, Now: a.now, Transport: a.transport, AWS: a.aws, Passphrase: a.passphrase, Agree: a.agreeOnRegistry, Hold: a.hold}
	if a.debug {
		w.Debug = a.err
	}
	return w
}

// between stands between a flow and the registry, in a build that is made to be caught: see
// leak.go. In any other it is nil.
var between func(lifecycle.Prover) lifecycle.Prover

// runner makes what runs a flow.
func (a *app) runner(w *wire.Wire, follow func(lifecycle.Event)) *lifecycle.Runner {
	var prover lifecycle.Prover = w
	if between != nil {
		prover = between(w)
	}
	return &lifecycle.Runner{
		Prover: prover, Now: a.now, Random: a.random, Wait: a.wait, Leases: a.leases(), Report: a.reporter(follow), Trusted: w.Trusted, Agree: a.agreeOnPlaces,
	}
}

// places makes the stores of a credential.
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

// passphrase asks for the passphrase of an encrypted file.
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
