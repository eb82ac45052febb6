package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"purser/internal/account"
	"purser/internal/arguments"
	"purser/internal/atomicfile"
	"purser/internal/audit"
	"purser/internal/credential"
	"purser/internal/incident"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/receipt"
	"purser/internal/record"
)

type respondFlags struct {
	storeFlags
	since, record string
}

func (a *app) respondCommand() *cobra.Command {
	var f respondFlags
	cmd := &cobra.Command{
		Use:   "respond NAME",
		Short: "The token may have leaked: stop it, replace it, report who had it",
		Long: `respond stops the harm first: the token that is current is switched off, although builds
fail until there is another one. Then a new one is made or asked for, proved, stored and
made current, the old one is ended, and the registry is seen to refuse it.

The report says who has read the secret (CloudTrail, whose history is some minutes late
and 90 days long), what the registry tells of the token's use (when last, the account's
log, tags pushed), who has it still, and what to check. It is written as Markdown and as
JSON, and holds nothing secret. Where purser.yaml has receipts, a receipt signs both files;
verify it with --record.

Every run takes what is current for what has leaked. One that was interrupted is simply
run again.`,
		Example: `  purser respond dockerhub
  purser respond dockerhub --since 30d --record incidents
  purser respond dockerhub --mint --yes --output json
  purser respond dockerhub --dry-run`,
		Args: arguments.OneName("respond"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.respond(cmd.Context(), args[0], f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.since, "since", "", "report from a `DATE` (2026-01-31) or a time ago (30d); when the token was stored, where it is not set")
	flags.StringVar(&f.record, "record", ".", "the `FOLDER` for the report")
	flags.StringVar(&f.from, "from", "", "where the new token comes from: mint, prompt, form, stdin or docker")
	flags.BoolVar(&f.mint, "mint", false, "have "+account.Makers()+" make it; the same as --from mint")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do it, and use docker's session, without asking")
	flags.BoolVar(&f.dryRun, "dry-run", false, "report, change nothing")
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
	if !f.yes && !f.dryRun {
		if err := a.decide(ctx, present.Decision{
			Question: "Switch off the token of " + string(c.Name) + " now?", Facts: append(facts(w, c), "whoever reads it fails until there is another one"),
		}); err != nil {
			return err
		}
	}
	from, err := a.renewal(ctx, w, c, rotateFlags{storeFlags: f.storeFlags})
	if err != nil {
		return err
	}
	req := lifecycle.RespondRequest{StoreRequest: known.StoreRequest, ByHand: a.stopByHand(c)}
	req.Find, req.Mint, req.Given, req.DryRun = from.find, from.mint, from.given, f.dryRun
	rec, err := a.recorder(ctx, w, c.Targets)
	if err != nil {
		return credential.About(err, c)
	}
	began := a.now()
	r := a.runner(w, rec.Following(from.follow))
	res, err := r.Respond(ctx, req)
	if from.end != nil {
		from.end(err)
	}
	ended := res.Leaked
	if res.Stopped.IsZero() {
		ended = nil
	}
	err = a.facts(rec.Write(ctx, record.Change{Command: receipt.Respond, Of: c, Store: res.Store, Ended: ended, Err: credential.About(err, c)}))
	if res.Version == "" {
		return err // there was nothing that could have leaked
	}
	// What is known is written down also when something went wrong.
	i := incident.Gather(ctx, incident.Sources{Witness: witnessOf(req.Mint), Now: a.now, Trail: func(ctx context.Context, t credential.Target) (audit.Trail, error) {
		trail, err := w.Trail(ctx, t)
		if a.wait != nil {
			trail.Wait = a.wait
		}
		return trail, err
	}}, c, req, res, began, since)
	i.Conclude(err, present.Typed(a.given, "respond", string(c.Name)))
	return a.reported(ctx, c, i, f.record, rec, err)
}

// stopByHand has the person end a token that purser cannot.
func (a *app) stopByHand(c credential.Credential) func(context.Context) error {
	if !a.interactive() {
		return nil
	}
	return func(ctx context.Context) error {
		_, _ = fmt.Fprintf(a.err, "purser cannot switch this token off itself. Do it now: %s\n", present.TokenPage(c.Registry))
		return a.tty.Confirm(ctx, "Is it switched off, or deleted?")
	}
}

// reported writes the record and says where it is.
func (a *app) reported(ctx context.Context, c credential.Credential, i *incident.Record, dir string, rec *record.Recorder, cause error) error {
	base := filepath.Join(dir, "purser-incident-"+i.Credential+"-"+i.Began.Format("20060102T150405Z"))
	if !filepath.IsAbs(base) && a.dir != "" {
		base = filepath.Join(a.dir, base)
	}
	text, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	const mode = 0o600 // it names people and machines
	var written []receipt.File
	for _, file := range []struct {
		path string
		data []byte
	}{{base + ".json", append(text, '\n')}, {base + ".md", []byte(i.Markdown())}} {
		if err := atomicfile.Replace(file.path, file.data, mode); err != nil {
			return errors.Join(cause, err)
		}
		written = append(written, receipt.FileOf(file.path, file.data))
	}
	cause = errors.Join(cause, rec.Files(ctx, c, written))
	if a.output.JSON {
		return a.printJSON(present.ReportOf(cause).With("incident", i).With("receipts", rec.Lines()), cause)
	}
	a.line(a.out, credential.Granted, "Report", base+".md, and the same as .json")
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
