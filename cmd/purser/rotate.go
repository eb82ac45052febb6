package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"purser/internal/account"
	"purser/internal/arguments"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/receipt"
	"purser/internal/record"
	"purser/internal/wire"
)

type rotateFlags struct {
	storeFlags
	due, all, force, now, wait bool
}

func (a *app) rotateCommand() *cobra.Command {
	var f rotateFlags
	cmd := &cobra.Command{
		Use:   "rotate NAME… | --due | --all",
		Short: "Renew tokens that are due, and retire the old ones",
		Long: `rotate renews a credential when rotate.every or the end of its token says so.
It makes a new token, checks it, stores it, checks what it stored, and only
then makes it current. The old token keeps working for the overlap. A later run
retires it once nobody uses it: it switches the token off, revokes it, and
checks that the registry refuses it. A run also finishes what an interrupted
one left.

With docker's session at ` + account.Makers() + `, or your sign-in (--mint), purser does all
of this itself. Otherwise it shows you how to make the new token, asks you for
it, and tells you when to end the old one.`,
		Example: `  purser rotate dockerhub
  purser rotate --due --yes
  purser rotate dockerhub --force --mint
  purser rotate dockerhub --wait`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.rotate(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.due, "due", false, "rotate every credential that is due")
	flags.BoolVar(&f.all, "all", false, "rotate every credential that is due, and retire the old tokens of the others")
	flags.BoolVar(&f.force, "force", false, "renew even if it is not due")
	flags.BoolVar(&f.now, "now", false, "retire the old token at once, without overlap; helpers on other agents may use it for one more minute")
	flags.BoolVar(&f.wait, "wait", false, "wait until the old token is retired")
	flags.StringVar(&f.from, "from", "", "take the new token from this `SOURCE`: mint, prompt, form, stdin or docker")
	flags.BoolVar(&f.mint, "mint", false, "let "+account.Makers()+" make it; the same as --from mint")
	flags.StringVar(&f.expires, "expires", "", "when the new token expires: a `DATE` (2027-01-31) or a time from now (90d, 1y)")
	flags.BoolVarP(&f.yes, "yes", "y", false, "use docker's session without asking")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what is due; change nothing")
	return cmd
}

func (a *app) rotate(ctx context.Context, names []string, f rotateFlags) error {
	if (len(names) > 0) == (f.due || f.all) || f.due && f.all {
		return &credential.Fault{Reason: credential.Usage, What: "rotate needs the NAME of a credential, or --due, or --all", Why: "give one of the three"}
	}
	expires, err := arguments.Expiry(f.expires, a.now())
	if err != nil {
		return err
	}
	file, err := a.load(true)
	if err != nil {
		return err
	}
	credentials, err := file.Chosen(names)
	if err != nil {
		return err
	}
	w := a.wire()
	w.Trusted = file.Trusted
	if a.person != nil && !f.dryRun {
		if err := a.decide(ctx, present.WhetherToRenew(credentials, func(c credential.Credential) []string { return facts(w, c) })); err != nil {
			return err
		}
	}
	var all []present.Rotation
	var lines []json.RawMessage
	var codes []int
	for _, x := range a.newRotations(w, file, f, expires, len(credentials)).run(ctx, credentials) {
		lines = append(lines, x.recorder.Lines()...)
		all = append(all, present.Rotation{Name: x.c.Name, Result: x.res, Err: x.err, DryRun: f.dryRun, Silent: x.silent()})
		codes = append(codes, present.ExitCode(x.err))
	}
	code := present.Worst(codes...)
	if a.output.JSON {
		a.writeJSON(present.Exited(code).With("rotations", present.RotationReport(all)).With("receipts", lines))
	} else {
		a.told(a.out).Rotations(all, a.told(a.err))
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}

// renewal chooses where a new token comes from: the flags say so, docker has a session with
// the registry, or the person gives it.
func (a *app) renewal(ctx context.Context, w *wire.Wire, c credential.Credential, f rotateFlags) (origin, error) {
	if f.from == "" && !f.mint && account.Mints(c.Registry) && a.env.ManagementSecret != "" {
		return origin{mint: account.NewLate(a.desk(w), c, f.yes, nil)}, nil
	}
	if f.from == "" && !f.mint && account.Mints(c.Registry) {
		h, err := a.desk(w).Found(ctx, account.OwnerOf(c), f.yes, a.desk(w).UseFor(c))
		if err == nil && h != nil {
			return origin{mint: account.NewLate(a.desk(w), c, f.yes, h), given: a.asksToMint(f.yes)}, nil
		}
	}
	return a.source(ctx, c, w, f.storeFlags)
}

func (a *app) pause(ctx context.Context, d time.Duration) error {
	if a.wait != nil {
		return a.wait(ctx, d)
	}
	return credential.Wait(ctx, d, "waiting to retire the previous token")
}

func (a *app) rollbackCommand() *cobra.Command {
	var yes, dry, undo bool
	cmd := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Restore the previous version, if its token still works",
		Long: `rollback checks the token of AWSPREVIOUS and makes it current again; the
current version becomes AWSPREVIOUS. If purser made that token and switched it
off, rollback first switches it on again, which needs a session of ` + account.Makers() + `.
A second run changes nothing more; --undo goes forward again.`,
		Example: `  purser rollback dockerhub
  purser rollback dockerhub --dry-run
  purser rollback dockerhub --undo`,
		Args: arguments.OneName("rollback"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.rollback(cmd.Context(), args[0], yes, dry, undo)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do it, and use docker's session, without asking")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "check the previous version; change nothing")
	cmd.Flags().BoolVar(&undo, "undo", false, "restore the version that a rollback replaced")
	return cmd
}

// known returns a credential of purser.yaml with its stores.
func (a *app) known(ctx context.Context, w *wire.Wire, name string) (credential.Credential, lifecycle.RotateRequest, error) {
	file, err := a.load(true)
	if err != nil {
		return credential.Credential{}, lifecycle.RotateRequest{}, err
	}
	all, err := file.Chosen([]string{name})
	if err != nil {
		return credential.Credential{}, lifecycle.RotateRequest{}, err
	}
	w.Trusted = file.Trusted
	where, err := a.places(ctx, w, all[0])
	return all[0], lifecycle.RotateRequest{StoreRequest: lifecycle.StoreRequest{Credential: all[0], Places: where}}, err
}

func (a *app) rollback(ctx context.Context, name string, yes, dry, undo bool) error {
	w := a.wire()
	c, req, err := a.known(ctx, w, name)
	if err != nil {
		return credential.About(err, c)
	}
	req.DryRun, req.Undo = dry, undo
	if account.Mints(c.Registry) {
		if h, err := a.desk(w).Found(ctx, account.OwnerOf(c), yes, a.desk(w).UseFor(c)); err == nil && h != nil {
			req.Mint = account.NewLate(a.desk(w), c, false, h)
		}
	}
	if !yes && !dry {
		if err := a.decide(ctx, present.Decision{
			Question: "Restore the previous version of " + string(c.Name) + "?", Facts: append(facts(w, c), "your CI gets the previous token at once"),
		}); err != nil {
			return err
		}
	}
	rec, err := a.recorder(ctx, w, c.Targets)
	if err != nil {
		return credential.About(err, c)
	}
	r := a.runner(w, rec.Following(nil))
	res, err := r.Rollback(ctx, req)
	err = a.facts(rec.Write(ctx, record.Change{Command: receipt.Rollback, Of: c, Store: res, Err: credential.About(err, c)}))
	if a.output.JSON {
		return a.printJSON(present.ReportOf(err).With("store", present.StoreReport(res, dry)).With("receipts", rec.Lines()), err)
	}
	return err
}

func (a *app) revokeCommand() *cobra.Command {
	var previous, yes bool
	var id string
	var wait arguments.BearerWait
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Revoke a credential's token now",
		Long: `revoke ends the current token, and checks that the registry refuses it. With
--previous it ends the previous token instead, with --token any other one of
the account. revoke stores no new token: your CI fails until purser store or
rotate does.

A client that signed in before keeps its bearer token, which works for some
minutes more. revoke says until when, and --wait how long it really took.`,
		Example: `  purser revoke dockerhub --previous --wait
  purser revoke dockerhub --token 01a2b3c4-0000-4000-8000-000000000000
  purser revoke dockerhub --yes`,
		Args: arguments.OneName("revoke"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.revoke(cmd.Context(), args[0], id, previous, yes, wait.Most())
		},
	}
	cmd.Flags().BoolVar(&previous, "previous", false, "revoke the previous token instead")
	wait.Add(cmd.Flags())
	cmd.Flags().StringVar(&id, "token", "", "revoke the token with this `ID`, as purser tokens list shows it")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do it, and use docker's session, without asking")
	return cmd
}

func (a *app) revoke(ctx context.Context, name, id string, previous, yes bool, wait time.Duration) error {
	if id != "" && wait > 0 {
		return &credential.Fault{Reason: credential.Usage, What: "--wait does not go with --token", Why: "purser needs the token itself to get a bearer token, and it has only the id"}
	}
	w := a.wire()
	c, req, err := a.known(ctx, w, name)
	if err != nil {
		return credential.About(err, c)
	}
	if !account.Mints(c.Registry) {
		return account.MintsNot()
	}
	if id != "" {
		return credential.About(a.changeTokens(ctx, "revoke", "Revoke", []string{id}, tokensFlags{registry: string(c.Registry), account: c.Username, yes: yes}), c)
	}
	at, breaks := credential.Current, "jobs that read it fail until you store a new one"
	if previous {
		at, breaks = credential.Previous, "jobs that still have it fail"
	}
	if !yes {
		if err := a.decide(ctx, present.Decision{Question: "End the " + string(at) + " token of " + string(c.Name) + "?", Facts: append(facts(w, c), breaks)}); err != nil {
			return err
		}
	}
	h, err := a.desk(w).Minter(ctx, c, yes)
	if err != nil {
		return err
	}
	req.Mint = account.NewLate(a.desk(w), c, false, h)
	rec, err := a.recorder(ctx, w, c.Targets)
	if err != nil {
		return credential.About(err, c)
	}
	r := a.runner(w, rec.Following(nil))
	res, err := r.Revoke(ctx, req, at)
	err = a.facts(rec.Write(ctx, record.Change{Command: receipt.Revoke, Of: c, Ended: res.Ended, Err: credential.About(err, c)}))
	if wait > 0 && err == nil {
		r.AwaitBearers(ctx, &res.Bearers, wait)
	}
	if a.output.JSON {
		return a.printJSON(present.ReportOf(err).With("bearers", present.BearersReport(res.Bearers)).With("receipts", rec.Lines()), err)
	}
	return err
}
