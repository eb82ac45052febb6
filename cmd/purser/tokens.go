package main

import (
	"cmp"
	"context"

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

type tokensFlags struct {
	registry, account string
	yes               bool
}

func (a *app) tokensCommand() *cobra.Command {
	var f tokensFlags
	cmd := &cobra.Command{
		Use:   "tokens",
		Short: "List, make and revoke the tokens of an account at " + account.Makers(),
		Long: `tokens manages the tokens of your account, or of an organization that it owns.
It needs a session: docker's, which it uses after asking you, or your sign-in
at the terminal. A token cannot manage tokens. purser never shows a token; it
stores a new one where its credential is kept.`,
		Example: `  purser tokens list
  purser tokens create dockerhub
  purser tokens revoke 01a2b3c4-0000-4000-8000-000000000000`,
		Args: arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List all tokens, and where each is stored",
		Long: `list shows the label, rights, dates and last use of each token, and where it is
stored: purser looks in the secrets of purser.yaml for the version that the
token's label names. If purser made a token and no secret holds it, list says
so.

At a terminal the table fits the width, and shows as much of an id as tokens
revoke needs; --wide shows all columns.`,
		Example: `  purser tokens list
  purser tokens list --wide
  purser tokens list --account acme --output json`,
		Args: arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.listTokens(cmd.Context(), f) },
	}
	create := a.createTokenCommand()
	cmd.AddCommand(list, create)
	for _, v := range []struct{ use, short, question string }{
		{"revoke", "Revoke tokens for good", "Revoke"}, {"deactivate", "Switch tokens off; activate switches them on again", "Deactivate"}, {"activate", "Switch tokens on again", ""},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: v.use + " ID…", Short: v.short, Example: "  purser tokens " + v.use + " 01a2b3c4-0000-4000-8000-000000000000",
			RunE: func(cmd *cobra.Command, ids []string) error {
				return a.changeTokens(cmd.Context(), v.use, v.question, ids, f)
			},
		})
	}
	for _, c := range cmd.Commands() {
		if c != create {
			c.Flags().StringVar(&f.registry, "registry", string(credential.Default()), "the `HOST` of the registry")
			c.Flags().StringVar(&f.account, "account", "", "the `ACCOUNT` or organization (default the one that you sign in to)")
			c.Flags().BoolVarP(&f.yes, "yes", "y", false, "use docker's session, and do it, without asking")
		}
	}
	return cmd
}

// createTokenCommand is store --mint under the name that people look for.
func (a *app) createTokenCommand() *cobra.Command {
	f := storeFlags{from: "mint"}
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a token and store it; the same as store NAME --mint",
		Long: `create makes a token with just the rights that the credential needs, checks it,
and stores it where the credential is kept. It never shows the token.`,
		Example: `  purser tokens create dockerhub
  purser tokens create dockerhub --expires 90d`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return &credential.Fault{Reason: credential.Usage, What: "create needs the NAME of a credential", Why: cmd.UseLine()}
			}
			return arguments.AtMost(cmd, args, 1)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.store(cmd.Context(), args[0], f) },
	}
	cmd.Flags().StringVar(&f.expires, "expires", "", "when the token expires: a `DATE` (2027-01-31) or a time from now (90d, 1y)")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "use docker's session without asking")
	cmd.Flags().BoolVar(&f.create, "create", false, "create the secret if it does not exist")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would happen; change nothing")
	return cmd
}

// owner returns the account that the flags name.
func (f tokensFlags) owner() (account.Owner, error) {
	host, err := credential.ParseHost(f.registry)
	if err == nil && !account.Mints(host) {
		err = account.MintsNot()
	}
	return account.Owner{Registry: host, Account: f.account}, err
}

func (a *app) listTokens(ctx context.Context, f tokensFlags) error {
	of, err := f.owner()
	if err != nil {
		return err
	}
	w := a.wire()
	h, err := a.desk(w).Session(ctx, of, f.yes, account.UseOf(of, "list the account's tokens"))
	if err != nil {
		return err
	}
	tokens, _, err := h.Tokens(ctx)
	if err != nil {
		return err
	}
	rows := a.tokenRows(ctx, w, tokens)
	if ended := credential.Ended(ctx, "looking where each token is stored"); ended != nil {
		return ended
	}
	if a.output.JSON {
		a.writeJSON(present.ReportOf(nil).With("tokens", rows))
		return nil
	}
	a.told(a.out).Table(account.Table(rows))
	return nil
}

func (a *app) tokenRows(ctx context.Context, w *wire.Wire, tokens []credential.ManagedToken) []account.Row {
	file, _ := a.project(false) // without a file, no place is known
	return account.Rows(ctx, file, func(ctx context.Context, c credential.Credential) ([]lifecycle.Place, error) {
		return a.places(ctx, w, c)
	}, tokens)
}

func (a *app) changeTokens(ctx context.Context, verb, question string, ids []string, f tokensFlags) error {
	if len(ids) == 0 {
		return &credential.Fault{Reason: credential.Usage, What: verb + " needs the ID of a token", Why: "purser tokens list shows them"}
	}
	of, err := f.owner()
	if err != nil {
		return err
	}
	w := a.wire()
	rec, err := a.recorder(ctx, w, nil)
	if err != nil {
		return err
	}
	h, err := a.desk(w).Session(ctx, of, f.yes, account.UseOf(of, verb+" tokens"))
	if err != nil {
		return err
	}
	tokens, _, err := h.Tokens(ctx)
	if err != nil {
		return err
	}
	chosen, err := account.Pick(of.Registry, tokens, ids)
	if err != nil {
		return err
	}
	rows := a.tokenRows(ctx, w, chosen)
	if question != "" && !f.yes {
		for _, r := range rows {
			if err := a.decide(ctx, present.Decision{
				Question: question + " " + cmp.Or(r.Label, "the token without a label") + "?", Facts: []string{"account: " + h.Account(), "id: " + r.ID, "stored: " + r.Stored},
			}); err != nil {
				return err
			}
		}
	}
	for i, t := range chosen {
		switch verb {
		case "revoke":
			if err = a.touched.after(h.Revoke(ctx, t.ID)); err == nil {
				label, _ := credential.ParseLabel(t.Label)
				of := credential.Credential{Name: label.Name, Registry: of.Registry, Username: h.Account()}
				err = rec.Write(ctx, record.Change{Command: receipt.Revoke, Of: of, Ended: []credential.ManagedToken{t}})
			}
		default:
			err = a.touched.after(h.Activate(ctx, t.ID, verb == "activate"))
		}
		if err != nil {
			return err
		}
		rows[i].Outcome, rows[i].Active = verb+"d", verb == "activate"
		if !a.output.JSON {
			a.line(a.out, credential.Granted, "Token", rows[i].Label+" is "+rows[i].Outcome)
		}
	}
	var left lifecycle.Bearers
	if verb != "activate" {
		left = lifecycle.Bearers{Ended: a.now(), Unasked: "it has only the id of the token"}
	}
	switch {
	case a.output.JSON:
		a.writeJSON(present.ReportOf(nil).With("tokens", rows).With("bearers", present.BearersReport(left)).With("receipts", rec.Lines()))
	case !left.IsZero():
		a.line(a.out, credential.Unknown, string(lifecycle.StepBearers), left.Text())
	}
	return nil
}
