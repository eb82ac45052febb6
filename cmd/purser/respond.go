package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"purser/internal/account"
	"purser/internal/arguments"

	"purser/internal/present"

	"github.com/spf13/cobra"

	"purser/internal/atomicfile"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/receipt"
	"purser/internal/wire"
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
	since, err := parseSince(f.since, a.now())
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
	r := a.runner(w, rec.following(from.follow))
	res, err := r.Respond(ctx, req)
	if from.end != nil {
		from.end(err)
	}
	ended := res.Leaked
	if res.Stopped.IsZero() {
		ended = nil
	}
	err = a.facts(rec.write(ctx, change{command: receipt.Respond, c: c, store: res.Store, ended: ended, err: credential.About(err, c)}))
	if res.Version == "" {
		return err // there was nothing that could have leaked
	}
	// What is known is written down also when something went wrong.
	i := a.incident(ctx, w, c, req, res, began, since)
	i.Conclude(err)
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

// parseSince reads a date or a time ago; the zero time where nothing is said.
func parseSince(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil && at.Before(now) {
		return at, nil
	}
	ahead, err := parseExpiry(text, now)
	if err != nil {
		return time.Time{}, &credential.Fault{Reason: credential.Usage, What: "the value of --since is not right", Why: "it is a date such as 2026-01-31, or a time ago such as 30d"}
	}
	return now.Add(-ahead.Sub(now)), nil
}

// reported writes the record and says where it is.
func (a *app) reported(ctx context.Context, c credential.Credential, i *present.Incident, dir string, rec *recorder, cause error) error {
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
	cause = errors.Join(cause, rec.files(ctx, c, written))
	if a.output.JSON {
		return a.printJSON(present.ReportOf(cause).With("incident", i).With("receipts", rec.lines()), cause)
	}
	a.line(a.out, credential.Granted, "Report", base+".md, and the same as .json")
	for _, t := range i.Check {
		_, _ = fmt.Fprintf(a.out, "check: %s\n", t)
	}
	return cause
}

// witness is what the registry tells of a token's use.
type witness interface {
	Pushes(ctx context.Context, repo credential.Repository, since time.Time) ([]credential.TagPush, bool, error)
	Events(ctx context.Context, since time.Time) ([]credential.AccountEvent, bool, error)
}

func witnessOf(m lifecycle.Minter) witness {
	if late, ok := m.(*account.Late); ok && late.Session() != nil {
		return late.Session()
	}
	return nil
}

// incident gathers what is known. What cannot be had is named, and no reason to stop.
func (a *app) incident(ctx context.Context, w *wire.Wire, c credential.Credential, req lifecycle.RespondRequest, res lifecycle.RespondResult, began, since time.Time) *present.Incident {
	if since.IsZero() {
		since = res.Since
	}
	i := &present.Incident{
		Schema: present.SchemaVersion, Credential: string(c.Name), Registry: string(c.Registry), Account: c.Username, Repositories: present.Texts(c.Repositories),
		DryRun: req.DryRun, Began: began.UTC(), Since: since.UTC(), Version: string(res.Version), Stopped: present.Moment(res.Stopped), Replaced: present.Moment(res.Replaced), Ended: present.Moment(res.Ended),
	}
	for _, t := range res.Leaked {
		i.Tokens = append(i.Tokens, present.IncidentToken{ID: t.ID, Label: credential.Quote(t.Label), Created: t.Created.UTC(), LastUsed: present.Moment(t.LastUsed)})
	}
	for _, p := range res.Store.Places {
		i.Places = append(i.Places, present.IncidentPlace{Where: p.Target.String(), Region: p.Target.Region, Version: string(p.Version), Replaced: string(p.Replaced)})
	}
	a.gatherReads(ctx, w, req.Places, i)
	a.gatherUses(ctx, witnessOf(req.Mint), c, i)
	return i
}

// gatherReads asks CloudTrail, for each place in AWS.
func (a *app) gatherReads(ctx context.Context, w *wire.Wire, places []lifecycle.Place, i *present.Incident) {
	for _, p := range places {
		if p.Target.Traits().Cloud == "" {
			i.Unknown("who read " + p.Target.String() + ": " + p.Target.Traits().Title + " keeps no record of it")
			continue
		}
		d, err := p.Store.Describe(ctx)
		if err != nil {
			i.Unknown("who read " + p.Target.String() + ": " + inOneLine(err))
			continue
		}
		trail, err := w.Trail(ctx, p.Target)
		if err != nil {
			i.Unknown("who read " + p.Target.String() + ": " + inOneLine(err))
			continue
		}
		if a.wait != nil {
			trail.Wait = a.wait
		}
		name := p.Target.Name
		if strings.HasPrefix(name, "arn:") {
			name = ""
		}
		reads, err := trail.Reads(ctx, name, d.Where, i.Since, a.now())
		if err != nil {
			i.Unknown("who read " + p.Target.String() + ": " + inOneLine(err))
		}
		i.AddReads(p.Target, reads, err == nil)
	}
}

// gatherUses asks the registry what became of the token.
func (a *app) gatherUses(ctx context.Context, w witness, c credential.Credential, i *present.Incident) {
	if w == nil {
		i.Unknown("what was pushed, and the account's log: nobody is signed in to " + string(c.Registry))
		return
	}
	for _, repo := range c.Repositories {
		pushes, complete, err := w.Pushes(ctx, repo, i.Since)
		switch {
		case err != nil:
			i.Unknown("what was pushed to " + string(repo) + ": " + inOneLine(err))
		case !complete:
			i.Unknown("all that was pushed to " + string(repo) + ": it has more tags than are looked at")
		}
		for _, p := range pushes {
			i.Pushes = append(i.Pushes, present.IncidentPush{Repository: string(p.Repository), Tag: p.Tag, At: p.At.UTC(), By: p.By})
		}
	}
	events, complete, err := w.Events(ctx, i.Since)
	switch {
	case err != nil:
		i.Unknown("the account's log: " + inOneLine(err))
	case !complete:
		i.Unknown("all of the account's log: it has more entries than are looked at")
	}
	for _, e := range events {
		i.Log = append(i.Log, present.IncidentEvent{At: e.At.UTC(), Actor: e.Actor, Action: e.Action, Name: e.Name})
	}
}

func inOneLine(err error) string { return strings.ReplaceAll(credential.Quote(err.Error()), "\n", " ") }
