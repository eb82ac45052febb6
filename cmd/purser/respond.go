package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"purser/internal/account"
	"purser/internal/arguments"
	"purser/internal/audit"
	"purser/internal/credential"
	"purser/internal/incident"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/receipt"
	"purser/internal/record"
	"purser/internal/wire"
)

type respondFlags struct {
	storeFlags
	since, record string
	bearers       arguments.BearerWait
	places        []string // to scan for copies
	found         []string // where an earlier scan found it
}

func (a *app) respondCommand() *cobra.Command {
	var f respondFlags
	cmd := &cobra.Command{
		Use:   "respond NAME",
		Short: "Stop and replace a token that may have leaked, and report",
		Long: `respond stops the harm first: it switches the current token off, although
builds fail until there is a new one. It then makes a new token or asks you for
one, checks it, stores it and makes it current. It ends the old token, and
checks that the registry refuses it. At a terminal without a session, purser
names the token and offers to sign in.

A client that signed in before keeps its bearer token, which works for some
minutes more. respond says until when; with --wait it asks the registry with
such a token until it stops working, and says how long that took. Ctrl-C ends
the wait, and nothing else.

The report says who read the secret (from CloudTrail, which lags by some
minutes and goes back 90 days), and what the registry knows of the token's use
(its last use, the account's log, pushed tags). It also says who still has the
token, and what to check. purser writes it as Markdown and as JSON, without
secrets. If purser.yaml has receipts, a receipt signs both files; verify it with
--record.

Every run treats the current token as the one that leaked. If a run was
interrupted, run respond again.`,
		Example: `  purser respond dockerhub
  purser respond dockerhub --since 30d --record incidents
  purser respond dockerhub --wait
  purser respond dockerhub --scan . --scan build/logs
  purser respond dockerhub --mint --yes --output json
  purser respond dockerhub --dry-run`,
		Args: arguments.OneName("respond"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.respond(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.since, "since", "", "report from a `DATE` (2026-01-31) or a time ago (30d) (default when the token was stored)")
	flags.StringVar(&f.record, "record", ".", "write the report into this `FOLDER`")
	flags.StringArrayVar(&f.places, "scan", nil, "afterwards, scan this `PATH` for copies of the old token, and report them; repeatable")
	f.bearers.Add(flags)
	flags.StringVar(&f.from, "from", "", "take the new token from this `SOURCE`: mint, prompt, form, stdin or docker")
	flags.BoolVar(&f.mint, "mint", false, "let "+account.Makers()+" make it; the same as --from mint")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do it, and use docker's session, without asking")
	flags.BoolVar(&f.dryRun, "dry-run", false, "report only; change nothing")
	return cmd
}

func (a *app) respond(ctx context.Context, name string, f respondFlags) error {
	since, err := arguments.Since(f.since, a.now())
	if err != nil {
		return err
	}
	w := a.wire()
	c, known, err := a.known(ctx, w, name)
	if err != nil {
		return credential.About(err, c)
	}
	from, agreed := origin{}, false
	known.DryRun = f.dryRun
	req := lifecycle.RespondRequest{StoreRequest: known.StoreRequest, ByHand: a.stopByHand(c)}
	req.Ready = func(ctx context.Context, s lifecycle.Suspect, req *lifecycle.RespondRequest) (err error) {
		if !f.yes && !f.dryRun {
			if err := a.decide(ctx, present.Decision{
				Question: "Switch off the token of " + string(c.Name) + " now?", Facts: slices.Concat(s.Facts(), facts(w, c), []string{"jobs that read it fail until there is a new one"}),
			}); err != nil {
				return err
			}
		}
		from, err = a.replacement(ctx, w, c, f)
		req.Find, req.Mint, req.Given, agreed = from.find, from.mint, from.given, err == nil
		return err
	}
	rec, err := a.recorder(ctx, w, c.Targets)
	if err != nil {
		return credential.About(err, c)
	}
	began := a.now()
	runner := a.runner(w, rec.Following(func(e lifecycle.Event) {
		if from.follow != nil {
			from.follow(e)
		}
	}))
	res, err := runner.Respond(ctx, req)
	if from.end != nil {
		from.end(err)
	}
	ended := res.Leaked
	if res.Stopped.IsZero() {
		ended = nil
	}
	err = a.facts(rec.Write(ctx, record.Change{Command: receipt.Respond, Of: c, Store: res.Store, Ended: ended, Err: credential.About(err, c)}))
	if !agreed {
		return err // nothing could have leaked, or the person declined
	}
	// The report is written even after a failure.
	i := incident.Gather(ctx, incident.Sources{Witness: witnessOf(from.mint), Now: a.now, Trail: func(ctx context.Context, t credential.Target) (audit.Trail, error) {
		trail, err := w.Trail(ctx, t)
		if a.wait != nil {
			trail.Wait = a.wait
		}
		return trail, err
	}}, c, req, res, began, since)
	if i.Found = f.found; len(f.places) > 0 && !f.dryRun {
		a.findCopies(ctx, w, c.Name, f.places, i)
	}
	again := present.Typed(a.given, "respond", string(c.Name))
	i.Conclude(err, again)
	base, failed := a.recorded(ctx, c, i, f.record, rec)
	if err = errors.Join(err, failed); f.bearers.Most() > 0 && err == nil && !res.Bearers.IsZero() {
		// What is written holds if the wait is cut short. After that, signing might take too long.
		finished := runner.AwaitBearers(ctx, &res.Bearers, f.bearers.Most())
		i.Bearers = present.BearersReport(res.Bearers)
		if i.Conclude(nil, again); finished {
			base, err = a.recorded(ctx, c, i, f.record, rec)
		}
	}
	return a.reported(i, base, rec, err)
}

// findCopies adds to the record where the old token is.
func (a *app) findCopies(ctx context.Context, w *wire.Wire, name credential.Name, places []string, i *incident.Record) {
	file, err := a.load(true)
	if err == nil {
		var found, missed []string
		found, missed, err = a.scope(w, file).Copies(ctx, name, places)
		i.Found, i.Missing = append(i.Found, found...), append(i.Missing, missed...)
	}
	if err != nil {
		i.Missing = append(i.Missing, "where copies are: "+err.Error())
	}
}

// replacement chooses where the new token comes from. At a terminal without a session it
// offers to sign in, which also lets purser end the leaked token at once.
func (a *app) replacement(ctx context.Context, w *wire.Wire, c credential.Credential, f respondFlags) (origin, error) {
	if f.from == "" && !f.mint && !f.dryRun && a.env.ManagementSecret == "" && account.Mints(c.Registry) && a.interactive() {
		h, err := a.desk(w).Offered(ctx, c, f.yes)
		if h != nil || err != nil {
			return origin{mint: account.NewLate(a.desk(w), c, f.yes, h), given: a.asksToMint(f.yes)}, err
		}
		f.from = "prompt"
	}
	return a.renewal(ctx, w, c, rotateFlags{storeFlags: f.storeFlags})
}

// stopByHand asks the person to end a token that purser cannot end.
func (a *app) stopByHand(c credential.Credential) func(context.Context) error {
	if !a.interactive() {
		return nil
	}
	return func(ctx context.Context) error {
		_, _ = fmt.Fprintf(a.err, "purser cannot switch this token off. Do it now: %s\n", present.TokenPage(c.Registry))
		return a.tty.Confirm(ctx, "Have you switched it off or deleted it?")
	}
}

// recorded writes the report, and its receipt. base is "" if there is no report.
func (a *app) recorded(ctx context.Context, c credential.Credential, i *incident.Record, dir string, rec *record.Recorder) (base string, err error) {
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(a.dir, dir)
	}
	base, written, err := i.Write(dir)
	if err != nil {
		return "", err
	}
	return base, rec.Files(ctx, c, written)
}

// reported says where the report is, and what it holds.
func (a *app) reported(i *incident.Record, base string, rec *record.Recorder, cause error) error {
	if base == "" {
		return cause
	}
	if a.output.JSON {
		return a.printJSON(present.ReportOf(cause).With("incident", i).With("receipts", rec.Lines()), cause)
	}
	a.line(a.out, credential.Granted, "Report", base+".md and .json")
	for _, t := range i.Check {
		_, _ = fmt.Fprintf(a.out, "check: %s\n", t)
	}
	return cause
}

func witnessOf(m lifecycle.Minter) incident.Witness {
	if late, ok := m.(*account.Late); ok && late.Session() != nil {
		return late.Session()
	}
	return nil
}
