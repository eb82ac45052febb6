package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"purser/internal/arguments"

	"purser/internal/present"

	"github.com/spf13/cobra"

	"purser/internal/childproc"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/source"
	"purser/internal/wire"
)

// session gets the right to manage an account's tokens at its registry: the session
// that docker's login has left, after asking, else a sign-in at the terminal. What is
// typed and what comes of it stays in this process.
func (a *app) session(ctx context.Context, w *wire.Wire, of owner, yes bool, wanted use) (registry.Account, error) {
	if a.env.ManagementSecret != "" {
		return w.Unattended(ctx, a.env.ManagementSecret, credential.Credential{Registry: of.registry, Username: of.account})
	}
	h, err := a.foundSession(ctx, w, of, yes, wanted)
	if h != nil || err != nil && !a.interactive() {
		return h, err
	}
	if !a.interactive() {
		return nil, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: of.registry, Account: of.account, What: "managing tokens takes a session at " + of.registry.Vendor(),
			Why: "docker has none, and there is no terminal to sign in on",
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(a.err, "note: %s\n", err)
	}
	return a.signInTo(ctx, w, of)
}

// owner is an account at a registry; "" is that of whoever signs in.
type owner struct {
	registry credential.Host
	account  string
}

// ownerOf is whose a credential's tokens are.
func ownerOf(c credential.Credential) owner { return owner{c.Registry, c.Username} }

// use is what a session at a registry is wanted for.
type use struct {
	what  string   // "list the tokens"
	facts []string // what the person needs to know about it
}

// useFor is the use of a session for a credential's tokens.
func useFor(w *wire.Wire, c credential.Credential) use {
	return use{"make and end tokens for " + string(c.Name), facts(w, c)}
}

// useOf is the use of a session for the tokens of an account.
func useOf(of owner, what string) use {
	return use{what, []string{"registry: " + string(of.registry), "account: " + cmp.Or(of.account, "the one that the session belongs to")}}
}

// foundSession is docker's, nil when there is none, or when the person says no and may
// sign in instead.
func (a *app) foundSession(ctx context.Context, w *wire.Wire, of owner, yes bool, wanted use) (registry.Account, error) {
	in := registry.KindOf(of.registry).Accounts
	if in == nil {
		return nil, nil //nolint:nilnil // nobody signs in there
	}
	bearer, where, err := source.DockerSession{Dir: a.env.DockerConfigDir(), Registry: of.registry, Key: in.SessionKey()}.Find(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // what is wrong with docker's store is no reason not to sign in
	}
	h, err := w.Account(of.registry, bearer, of.account)
	if err != nil {
		return nil, err
	}
	if yes {
		return h, nil
	}
	has := fmt.Sprintf("docker has a session of %s at %s until %s, in %s; it opens the whole account", credential.Quote(h.Person(), bearer), of.registry.Vendor(), h.Expires().Local().Format("15:04"), where)
	err = a.decide(ctx, decision{Question: "Use docker's session to " + wanted.what + "?", Facts: append([]string{has}, wanted.facts...)})
	if credential.ReasonOf(err) == credential.Declined && a.interactive() {
		return nil, nil //nolint:nilnil // the person said no, and may sign in
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// signInTo asks for name, password and second factor.
func (a *app) signInTo(ctx context.Context, w *wire.Wire, of owner) (registry.Account, error) {
	_, _ = fmt.Fprintf(a.err, "Sign in to %s. A company's single sign-on has no password: make the token on its page then, with --from prompt.\n", of.registry.Vendor())
	person, err := a.tty.Line(ctx, "Account name"+inBrackets(of.account)+": ")
	if err != nil {
		return nil, err
	}
	if person == "" {
		person = of.account
	}
	if err := arguments.RefuseTokens([]string{person}); err != nil {
		return nil, err
	}
	password, err := a.tty.Secret(ctx, "Password of "+credential.Quote(person)+" (not shown): ")
	if err != nil {
		return nil, err
	}
	return w.SignInTo(ctx, of.registry, person, credential.NewSecret(string(password)), func(ctx context.Context, again bool) (credential.Secret, error) {
		question := "Code of the second factor (not shown): "
		if again {
			question = "That was not right. " + question
		}
		code, err := a.tty.Secret(ctx, question)
		return credential.NewSecret(strings.TrimSpace(string(code))), err
	}, of.account)
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " [" + text + "]"
}

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
	w := a.wire()
	docker, err := exec.LookPath("docker")
	config := source.DockerConfig{Dir: a.env.DockerConfigDir(), Registry: host}
	state, _ := config.State() // what is wrong with it is docker's to say
	if own || err != nil || state.Helper == "" {
		if !own {
			_, _ = fmt.Fprintln(a.err, "note: docker's browser login is not used: docker is not installed, or has no credential store to keep the session in")
		}
		h, err := a.signInTo(ctx, w, owner{registry: host})
		if err != nil {
			return err
		}
		return a.signedIn(host, h, "nothing is kept; commands that need it ask again")
	}
	if err := a.dockerLogin(ctx, docker, host); err != nil {
		return err
	}
	h, err := a.foundSession(ctx, w, owner{registry: host}, true, use{})
	if err != nil {
		return err
	}
	if h == nil {
		return &credential.Fault{
			Reason: credential.SessionNeeded, Registry: host, What: "docker's login left no session that can manage tokens",
			Why: "it does so when it signs in with a browser (docker 27.2 and later), and not with a name and a password",
		}
	}
	return a.signedIn(host, h, "docker keeps the session until "+h.Expires().Local().Format("15:04")+", and has made itself a token with all rights: purser tokens list")
}

// dockerLogin lets docker ask the person.
func (a *app) dockerLogin(ctx context.Context, docker string, host credential.Host) error {
	tty, err := a.tty.Open()
	if err != nil {
		return err
	}
	defer func() { _ = tty.Close() }()
	code, err := a.runCommand(ctx, childproc.Command{Program: docker, Args: []string{"login"}, Env: config.Inherited(nil), In: io.Reader(tty), Out: tty, Err: tty})
	if err != nil {
		return fmt.Errorf("run docker login: %w", err)
	}
	if code != 0 {
		return &credential.Fault{Reason: credential.SignInRefused, Registry: host, What: "docker login did not sign in", Why: "what it said stands above"}
	}
	return nil
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

// makers names the registries at which purser makes and ends tokens.
func makers() string {
	var titles []string
	for _, k := range registry.Minting() {
		titles = append(titles, k.Vendor.Title)
	}
	return strings.Join(titles, " or ")
}

// mints reports whether purser makes and ends tokens at a registry.
func mints(host credential.Host) bool { return registry.KindOf(host).Accounts != nil }

func mintsNot() error {
	return &credential.Fault{Reason: credential.Usage, What: "purser makes and ends tokens at " + makers() + " only", Why: "other registries have no API for it that it knows"}
}

// minter is the session with which tokens of a credential are made.
func (a *app) minter(ctx context.Context, w *wire.Wire, c credential.Credential, yes bool) (registry.Account, error) {
	if !mints(c.Registry) {
		return nil, mintsNot()
	}
	if a.env.ManagementSecret != "" {
		if a.consent != nil {
			// The variable speaks for runs without a person. An agent has one.
			d := decision{Question: "Use the account of PURSER_MANAGEMENT_SECRET_ID to make and end tokens for " + string(c.Name) + "?", Facts: facts(w, c)}
			if err := a.decide(ctx, d); err != nil {
				return nil, credential.About(err, c)
			}
		}
		h, err := w.Unattended(ctx, a.env.ManagementSecret, c)
		return h, credential.About(err, c)
	}
	h, err := a.session(ctx, w, ownerOf(c), yes, useFor(w, c))
	if err != nil {
		return nil, credential.About(err, c)
	}
	return h, nil
}
