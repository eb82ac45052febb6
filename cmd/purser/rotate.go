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
		Short: "Renew tokens that are due, and retire those before",
		Long: `rotate renews a credential when it is due by rotate.every or by its token's end: a new
token is made, proved, stored, proved as it was stored, and only then made current. The
one before lives on for the overlap, and is retired by a later run, once nobody uses it:
switched off, revoked, and proved dead. A run finishes whatever an interrupted one left.

With docker's session at ` + account.Makers() + `, or a sign-in (--mint), all of it happens by itself.
Without one the new token is asked for, with the steps for making it, and you are told
when to end the old one.`,
		Example: `  purser rotate dockerhub
  purser rotate --due --yes
  purser rotate dockerhub --force --mint
  purser rotate dockerhub --wait`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.rotate(cmd.Context(), args, f) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&f.due, "due", false, "those of purser.yaml that are due")
	flags.BoolVar(&f.all, "all", false, "all of purser.yaml; those that are not due are retired only")
	flags.BoolVar(&f.force, "force", false, "renew although it is not due")
	flags.BoolVar(&f.now, "now", false, "retire the token before at once, without its overlap; helpers on other agents may give it for a minute more")
	flags.BoolVar(&f.wait, "wait", false, "stay until the token before is retired")
	flags.StringVar(&f.from, "from", "", "where the new token comes from: mint, prompt, form, stdin or docker")
	flags.BoolVar(&f.mint, "mint", false, "have "+account.Makers()+" make it; the same as --from mint")
	flags.StringVar(&f.expires, "expires", "", "when the new token ends, as `DATE` (2027-01-31) or time from now (90d, 1y)")
	flags.BoolVarP(&f.yes, "yes", "y", false, "use docker's session without asking")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what is due, change nothing")
	return cmd
}

func (a *app) rotate(ctx context.Context, names []string, f rotateFlags) error {
	if (len(names) > 0) == (f.due || f.all) || f.due && f.all {
		return &credential.Fault{Reason: credential.Usage, What: "rotate needs the NAME of a credential, or --due, or --all", Why: "one of the three"}
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

// renewal is where a new token comes from: without a word about it from the
// registry, where docker has a session, and otherwise from the person.
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
	return credential.Wait(ctx, d, "waiting until the token before can be retired")
}

func (a *app) rollbackCommand() *cobra.Command {
	var yes, dry, undo bool
	cmd := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Make the version before current again, when its token still works",
		Long: `rollback proves the token of AWSPREVIOUS and makes it current again; what is current becomes
AWSPREVIOUS. A token that purser made and that was switched off is switched on first,
where a session of ` + account.Makers() + ` is at hand. Run twice, it changes nothing more; --undo goes
forward again.`,
		Example: `  purser rollback dockerhub
  purser rollback dockerhub --dry-run
  purser rollback dockerhub --undo`,
		Args: arguments.OneName("rollback"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.rollback(cmd.Context(), args[0], yes, dry, undo)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do it, and use docker's session, without asking")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "prove the version before, change nothing")
	cmd.Flags().BoolVar(&undo, "undo", false, "make the version current again that a rollback replaced")
	return cmd
}

// known is a credential of purser.yaml with its stores.
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
			Question: "Make the previous version of " + string(c.Name) + " current again?", Facts: append(facts(w, c), "its readers get the previous token at once"),
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
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "End a credential's token at once",
		Long: `revoke ends the token that is current, or with --previous the one before, or with --token
any other of the account, and proves that the registry refuses it. Nothing else is
stored: whoever reads the secret fails until purser store or rotate gives a new one.`,
		Example: `  purser revoke dockerhub --previous
  purser revoke dockerhub --token 01a2b3c4-0000-4000-8000-000000000000
  purser revoke dockerhub --yes`,
		Args: arguments.OneName("revoke"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.revoke(cmd.Context(), args[0], id, previous, yes)
		},
	}
	cmd.Flags().BoolVar(&previous, "previous", false, "the token before the current one")
	cmd.Flags().StringVar(&id, "token", "", "the token with this `ID`, as purser tokens list shows it")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do it, and use docker's session, without asking")
	return cmd
}

func (a *app) revoke(ctx context.Context, name, id string, previous, yes bool) error {
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
	at, breaks := credential.Current, "whoever reads it fails from then on, until a new one is stored"
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
	ended, err := r.Revoke(ctx, req, at)
	err = a.facts(rec.Write(ctx, record.Change{Command: receipt.Revoke, Of: c, Ended: ended, Err: credential.About(err, c)}))
	if a.output.JSON {
		return a.printJSON(present.ReportOf(err).With("receipts", rec.Lines()), err)
	}
	return err
}
