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

// loginAccountCommand makes login KIND, for a kind of registry with accounts.
func (a *app) loginAccountCommand(k *registry.Kind) *cobra.Command {
	var own bool
	cmd := &cobra.Command{
		Use:   k.Name,
		Short: "Sign in to " + k.Vendor.Title + " to make and revoke tokens",
		Long: k.Name + ` starts a session that can manage tokens; a token cannot do that. If
docker is installed and has a credential store, purser runs docker's own
browser login and uses the session that it leaves there. That login also makes
a token with all rights: purser tokens list shows it, and purser tokens revoke
ends it.

Otherwise, and with --password, purser asks for your name, password and second
factor, signs in and forgets them. Commands that need them ask again.`,
		Example: "  purser login " + k.Name + "\n  purser login " + k.Name + " --password",
		Args:    arguments.None,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.loginAccount(cmd.Context(), k.Host(), own) },
	}
	cmd.Flags().BoolVar(&own, "password", false, "ask for name, password and second factor; do not run docker")
	return cmd
}

func (a *app) loginAccount(ctx context.Context, host credential.Host, own bool) error {
	if !a.interactive() {
		return &credential.Fault{Reason: credential.NoTerminal, What: "you need a terminal to sign in to " + host.Vendor(), Why: "you sign in with a browser or a password"}
	}
	h, kept, err := a.desk(a.wire()).Login(ctx, account.Owner{Registry: host}, own)
	if err != nil {
		return err
	}
	what := "purser keeps nothing; commands that need it ask again"
	if kept {
		what = "docker keeps the session until " + h.Expires().Local().Format("15:04") + "; its login also made a token with all rights: " + present.Typed(a.given, "tokens list")
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
