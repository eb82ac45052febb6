package main

import (
	"context"

	"github.com/spf13/cobra"

	"purser/internal/account"
	"purser/internal/arguments"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/registry"
)

// loginAccountCommand is login KIND, for a kind of registry that has accounts.
func (a *app) loginAccountCommand(k *registry.Kind) *cobra.Command {
	var own bool
	cmd := &cobra.Command{
		Use:   k.Name,
		Short: "Sign in to " + k.Vendor.Title + ", to make and end tokens",
		Long: k.Name + ` gets a session that can manage tokens, which a token cannot. Where docker is
installed and has a credential store, docker's own browser login is run, and the session
that it leaves there is picked up; it also leaves a token with all rights at Docker, which
purser tokens list shows and purser tokens revoke ends. Otherwise, and with --password,
name, password and second factor are asked for, tried, and forgotten: commands that
need them ask again.`,
		Example: "  purser login " + k.Name + "\n  purser login " + k.Name + " --password",
		Args:    arguments.None,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.loginAccount(cmd.Context(), k.Host(), own) },
	}
	cmd.Flags().BoolVar(&own, "password", false, "ask for name, password and second factor instead of running docker")
	return cmd
}

func (a *app) loginAccount(ctx context.Context, host credential.Host, own bool) error {
	if !a.interactive() {
		return &credential.Fault{Reason: credential.NoTerminal, What: "signing in to " + host.Vendor() + " takes a terminal", Why: "a person signs in, in a browser or with a password"}
	}
	h, kept, err := a.desk(a.wire()).Login(ctx, account.Owner{Registry: host}, own)
	if err != nil {
		return err
	}
	what := "nothing is kept; commands that need it ask again"
	if kept {
		what = "docker keeps the session until " + h.Expires().Local().Format("15:04") + ", and has made itself a token with all rights: " + present.Typed(a.given, "tokens list")
	}
	return a.signedIn(host, h, what)
}

func (a *app) signedIn(host credential.Host, h registry.Account, what string) error {
	if a.output.JSON {
		until := h.Expires()
		a.writeJSON(present.ReportOf(nil).With("session", &sessionJSON{Outcome: "signed-in", Who: h.Person(), Until: &until}))
		return nil
	}
	a.line(a.out, credential.Granted, host.Vendor(), "signed in as "+h.Person()+"; "+what)
	return nil
}
