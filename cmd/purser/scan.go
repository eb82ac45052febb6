package main

import (
	"context"
	"path/filepath"

	"github.com/spf13/cobra"

	"purser/internal/atomicfile"
	"purser/internal/buildinfo"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/scan"
	"purser/internal/scope"
)

type scanFlags struct {
	scope.Request

	onlyLive bool
	report   string
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

Exit codes: 0 nothing found; 3 a token that CI uses now; 1 only other tokens;
6 nothing found, but something could not be searched.`,
		Example: `  purser scan
  purser scan dockerhub ../service
  purser scan --here
  purser scan buildkite:acme/widget --logs-token BUILDKITE_TOKEN --since 30d
  journalctl -u buildkite-agent | purser scan -
  purser scan --only-live build/logs`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.Args = args
			return a.scan(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.Here, "here", false, "search where programs of this machine keep what you typed: logins, histories, transcripts, processes")
	flags.BoolVar(&f.onlyLive, "only-live", false, "exit with 0 if no token that CI uses now was found")
	flags.BoolVar(&f.Prove, "prove", false, "ask the registry of each other token, once, whether it accepts the token")
	flags.StringVar(&f.report, "report", "", "also write the result to this `FILE.sarif`, for code scanning services")
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
	plan, err := (&scope.Machine{
		Env: a.env, Dir: a.dir, In: a.in, Now: a.now, Wait: a.wait, Transport: a.transport, File: file, Wire: w, Person: a.interactive(),
		Reach: func(ctx context.Context, t []credential.Target) error { return a.offerSignIn(ctx, w, t) },
	}).Plan(f.Request)
	if err != nil {
		return err
	}
	began := a.now()
	ctx, row := a.told(a.out).Follow(ctx, a.now, "searched", plan.Places)
	result, err := plan.Run(ctx, row.Done)
	row.End()
	if err == nil {
		err = a.reportScan(result, f.report)
	}
	if err != nil {
		return err
	}
	code := present.ScanExit(result, f.onlyLive)
	if a.output.JSON {
		a.writeJSON(present.Exited(code).With("scan", present.ScanReport(result, a.given)))
	} else {
		a.told(a.out).Scan(result, a.now().Sub(began), a.told(a.err))
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}

// reportScan writes a report for code scanning services.
func (a *app) reportScan(r *scan.Result, path string) error {
	if path == "" {
		return nil
	}
	dir, err := filepath.Abs(a.dir)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	text, err := present.SARIF(r, dir, buildinfo.This().Version)
	if err != nil {
		return err
	}
	return atomicfile.Replace(path, text, 0o644)
}
