package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"purser/internal/buildinfo"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/scan"
	"purser/internal/scope"
	"purser/internal/wire"
)

type scanFlags struct {
	scope.Request

	onlyLive     bool
	report       string
	export       string
	respond, yes bool
	hook         bool
}

func (a *app) scanCommand() *cobra.Command {
	var f scanFlags
	cmd := &cobra.Command{
		Use:   "scan [NAME…] [PATH…]",
		Short: "Look for your tokens where they should not be",
		Long: `scan reads the tokens of your credentials, as your CI does, and looks for
exactly these in files, in every encoding that purser knows. It says which token
is where, and whether CI uses it now. It shows no part of a token, and no line
that holds one.

Without a NAME it looks for the tokens of all credentials in purser.yaml.
Without a PATH it searches this folder; - is standard input. A name of a
credential wins over a file of that name: write ./NAME for the file. A PATH can
be build logs: ` + scan.LogPlaces + `, with #BUILD for one build.
docker://REPOSITORY:TAG is an image in a registry, which purser reads with your
docker login if it must, and oci:FOLDER a folder with images.

Exit codes: 0 nothing found; 3 a token that CI uses now; 1 only other tokens;
6 nothing found, but something could not be searched.`,
		Example: `  purser scan
  purser scan dockerhub ../service
  purser scan --here
  purser scan --install-hook
  purser scan git@git.example:acme/widget.git
  purser scan --respond
  purser scan buildkite:acme/widget --logs-token BUILDKITE_TOKEN --since 30d
  purser scan docker://docker.io/mockserver/mockserver:latest
  journalctl -u buildkite-agent | purser scan -
  purser scan --only-live build/logs`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Args = args
			return a.scan(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.Here, "here", false, "search where programs of this machine keep what you typed: logins, histories, transcripts, processes")
	flags.BoolVar(&f.Staged, "staged", false, "search what is staged for the next commit, as a pre-commit hook does")
	flags.BoolVar(&f.hook, "install-hook", false, "make git run purser scan --staged before each commit here, and search nothing")
	flags.BoolVar(&f.onlyLive, "only-live", false, "exit with 0 if no token that CI uses now was found")
	flags.BoolVar(&f.Prove, "prove", false, "ask the registry of each other token, once, whether it accepts the token")
	flags.BoolVar(&f.respond, "respond", false, "end and replace the tokens that CI uses now, as respond does, and have vendors end others")
	flags.BoolVarP(&f.yes, "yes", "y", false, "with --respond: end and replace the tokens of credentials without asking")
	flags.StringVar(&f.report, "report", "", "also write the result to this `FILE.sarif`, for code scanning services")
	flags.StringVar(&f.export, "export", "", "write fingerprints of the tokens into this `FILE` and search nothing")
	flags.StringVar(&f.Prints, "fingerprints", "", "look for the tokens of this `FILE` that --export wrote, and read no secret")
	cmd.MarkFlagsMutuallyExclusive("export", "fingerprints")
	flags.StringVar(&f.LogsToken, "logs-token", "", "the environment `VARIABLE` with a token that may read build logs")
	flags.StringVar(&f.LogsSecret, "logs-secret", "", "the `SECRET` in AWS with the username and token that may read build logs")
	flags.StringVar(&f.Since, "since", "", "search builds back to this `DATE` (2027-01-31) or time (90d) (default the last 100 builds)")
	return cmd
}

func (a *app) scan(ctx context.Context, f scanFlags) error {
	if f.report != "" && filepath.Ext(f.report) != ".sarif" {
		return &credential.Fault{Reason: credential.Usage, What: "--report must name a file that ends in .sarif", Why: "purser writes no other form; --output json prints one"}
	}
	file, err := a.load(false)
	if err != nil {
		return err
	}
	w := a.wire()
	machine := a.scope(w, file)
	if f.hook {
		path, err := machine.InstallHook(ctx)
		if err == nil && !a.output.JSON {
			a.line(a.out, credential.Granted, "Hook", path)
		}
		return err
	}
	plan, err := machine.Plan(f.Request)
	if err != nil {
		return err
	}
	if f.export != "" {
		n, faults, err := plan.Export(ctx, f.export)
		return a.exported(f.export, n, faults, err)
	}
	began := a.now()
	ctx, row := a.told(a.out).Follow(ctx, a.now, "searched", plan.Places)
	result, err := plan.Run(ctx, row.Done)
	row.End()
	if err == nil && f.report != "" {
		err = present.WriteSARIF(result, a.dir, f.report, buildinfo.This().Version)
	}
	if err != nil {
		return err
	}
	code := present.ScanExit(result, f.onlyLive)
	names, _ := result.Current()
	if f.respond && a.output.JSON && len(names) == 1 {
		return a.answer(ctx, w, result, f) // whose report has the places
	}
	if a.output.JSON {
		a.writeJSON(present.Exited(code).With("scan", present.ScanReport(result, a.given)))
	} else {
		a.told(a.out).Scan(result, a.now().Sub(began), a.told(a.err))
	}
	if f.respond && !a.output.JSON && len(names)+len(scope.Endable(result)) > 0 {
		return a.answer(ctx, w, result, f)
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}

// exported tells what a file of fingerprints has, and which credentials are not in it.
func (a *app) exported(file string, n int, faults []error, err error) error {
	if err != nil {
		return err
	}
	code := present.WorstOf(faults)
	if a.output.JSON {
		a.writeJSON(present.Exited(code).With("fingerprints", n))
	} else {
		a.told(a.out).Line(credential.Granted, "Written", fmt.Sprintf("fingerprints of %d values, in %s", n, credential.Quote(file)))
		for _, err := range faults {
			a.told(a.err).Error(err)
		}
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}

// answer ends what the scan found: nobody's tokens by their vendor, and those of credentials as
// respond does.
func (a *app) answer(ctx context.Context, w *wire.Wire, r *scan.Result, f scanFlags) error {
	if tokens := scope.Endable(r); len(tokens) > 0 {
		facts := []string{"whoever uses them fails from then on", "it cannot be undone, and their owners get mail"}
		ask := present.Decision{Question: fmt.Sprintf("End %d found tokens that belong to none of your credentials?", len(tokens)), Facts: facts}
		err := a.decide(ctx, ask)
		if err == nil {
			err = w.EndFound(ctx, tokens)
		}
		if err != nil {
			return err
		}
		a.line(a.err, credential.Granted, "Ended", fmt.Sprintf("%d found tokens", len(tokens)))
	}
	names, places := r.Current()
	var errs []error
	for _, name := range names {
		to := respondFlags{storeFlags: storeFlags{yes: f.yes}, record: "."}
		for _, at := range places[name] {
			to.found = append(to.found, at.String())
		}
		errs = append(errs, a.respond(ctx, string(name), to))
	}
	return errors.Join(errs...)
}

func (a *app) scope(w *wire.Wire, file *config.File) *scope.Machine {
	return &scope.Machine{
		Env: a.env, Dir: a.dir, In: a.in, Now: a.now, Wait: a.wait, Transport: a.transport, File: file, Wire: w, Person: a.interactive(),
		Reach: func(ctx context.Context, t []credential.Target) error { return a.offerSignIn(ctx, w, t) },
	}
}
