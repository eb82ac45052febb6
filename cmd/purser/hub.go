package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"purser/internal/childproc"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/source"
	"purser/internal/wire"
)

// hubSession gets the right to manage an account's tokens at Docker Hub: the session
// that docker's login has left, after asking, else a sign-in at the terminal. What is
// typed and what comes of it stays in this process.
func (a *app) hubSession(ctx context.Context, w *wire.Wire, account string, yes bool, wanted use) (*wire.Hub, error) {
	if a.env.ManagementSecret != "" {
		return w.HubUnattended(ctx, a.env.ManagementSecret, credential.Credential{Registry: credential.DockerHub, Username: account})
	}
	h, err := a.foundSession(ctx, w, account, yes, wanted)
	if h != nil || err != nil && !a.interactive() {
		return h, err
	}
	if !a.interactive() {
		return nil, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: credential.DockerHub, Account: account, What: "managing tokens takes a session at Docker Hub",
			Why: "docker has none, and there is no terminal to sign in on",
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(a.err, "note: %s\n", err)
	}
	return a.signInHub(ctx, w, account)
}

// use is what a session at Docker Hub is wanted for.
type use struct {
	what  string   // "list the tokens"
	facts []string // what the person needs to know about it
}

// useFor is the use of a session for a credential's tokens.
func useFor(w *wire.Wire, c credential.Credential) use {
	return use{"make and end tokens for " + string(c.Name), facts(w, c)}
}

// useOf is the use of a session for the tokens of an account.
func useOf(account, what string) use {
	return use{what, []string{"registry: " + string(credential.DockerHub), "account: " + or(account, "the one that the session belongs to")}}
}

// foundSession is docker's, nil when there is none, or when the person says no and may
// sign in instead.
func (a *app) foundSession(ctx context.Context, w *wire.Wire, account string, yes bool, wanted use) (*wire.Hub, error) {
	bearer, where, err := source.DockerSession{Dir: a.env.DockerConfigDir()}.Find(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr,nilnil // what is wrong with docker's store is no reason not to sign in
	}
	h, err := w.HubOf(bearer, account)
	if err != nil {
		return nil, err
	}
	if yes {
		return h, nil
	}
	has := fmt.Sprintf("docker has a session of %s at Docker Hub until %s, in %s; it opens the whole account", credential.Quote(h.Person(), bearer), h.Expires().Local().Format("15:04"), where)
	err = a.decide(ctx, decision{Question: "Use docker's session to " + wanted.what + "?", Facts: append([]string{has}, wanted.facts...)})
	if credential.ReasonOf(err) == credential.Declined && a.interactive() {
		return nil, nil //nolint:nilnil // the person said no, and may sign in
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// signInHub asks for name, password and second factor.
func (a *app) signInHub(ctx context.Context, w *wire.Wire, account string) (*wire.Hub, error) {
	_, _ = fmt.Fprintln(a.err, "Sign in to Docker Hub. A company's single sign-on has no password: make the token on Docker's page then, with --from prompt.")
	person, err := a.tty.line(ctx, "Account name"+inBrackets(account)+": ")
	if err != nil {
		return nil, err
	}
	if person == "" {
		person = account
	}
	if err := refuseTokens([]string{person}); err != nil {
		return nil, err
	}
	password, err := a.tty.secret(ctx, "Password of "+credential.Quote(person)+" (not shown): ")
	if err != nil {
		return nil, err
	}
	return w.HubSignIn(ctx, person, credential.NewSecret(string(password)), func(ctx context.Context, again bool) (credential.Secret, error) {
		question := "Code of the second factor (not shown): "
		if again {
			question = "That was not right. " + question
		}
		code, err := a.tty.secret(ctx, question)
		return credential.NewSecret(strings.TrimSpace(string(code))), err
	}, account)
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " [" + text + "]"
}

func (a *app) loginDockerHubCommand() *cobra.Command {
	var own bool
	cmd := &cobra.Command{
		Use:   "dockerhub",
		Short: "Sign in to Docker Hub, to make and end tokens",
		Long: `dockerhub gets a session that can manage tokens, which a token cannot. Where docker is
installed and has a credential store, docker's own browser login is run, and the session
that it leaves there is picked up; it also leaves a token with all rights at Docker, which
purser tokens list shows and purser tokens revoke ends. Otherwise, and with --password,
name, password and second factor are asked for, tried, and forgotten: commands that
need them ask again.`,
		Example: `  purser login dockerhub
  purser login dockerhub --password`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.loginDockerHub(cmd.Context(), own) },
	}
	cmd.Flags().BoolVar(&own, "password", false, "ask for name, password and second factor instead of running docker")
	return cmd
}

func (a *app) loginDockerHub(ctx context.Context, own bool) error {
	if !a.interactive() {
		return &credential.Fault{Reason: credential.NoTerminal, What: "signing in to Docker Hub takes a terminal", Why: "a person signs in, in a browser or with a password"}
	}
	w := a.wire()
	docker, err := exec.LookPath("docker")
	config := source.DockerConfig{Dir: a.env.DockerConfigDir(), Registry: credential.DockerHub}
	state, _ := config.State() // what is wrong with it is docker's to say
	if own || err != nil || state.Helper == "" {
		if !own {
			_, _ = fmt.Fprintln(a.err, "note: docker's browser login is not used: docker is not installed, or has no credential store to keep the session in")
		}
		h, err := a.signInHub(ctx, w, "")
		if err != nil {
			return err
		}
		return a.signedInHub(h, "nothing is kept; commands that need it ask again")
	}
	if err := a.dockerLogin(ctx, docker); err != nil {
		return err
	}
	h, err := a.foundSession(ctx, w, "", true, use{})
	if err != nil {
		return err
	}
	if h == nil {
		return &credential.Fault{
			Reason: credential.SessionNeeded, Registry: credential.DockerHub, What: "docker's login left no session that can manage tokens",
			Why: "it does so when it signs in with a browser (docker 27.2 and later), and not with a name and a password",
		}
	}
	return a.signedInHub(h, "docker keeps the session until "+h.Expires().Local().Format("15:04")+", and has made itself a token with all rights: purser tokens list")
}

// dockerLogin lets docker ask the person.
func (a *app) dockerLogin(ctx context.Context, docker string) error {
	tty, err := a.tty.open()
	if err != nil {
		return err
	}
	defer func() { _ = tty.Close() }()
	code, err := a.runCommand(ctx, childproc.Command{Program: docker, Args: []string{"login"}, Env: config.Inherited(nil), In: io.Reader(tty), Out: tty, Err: tty})
	if err != nil {
		return fmt.Errorf("run docker login: %w", err)
	}
	if code != 0 {
		return &credential.Fault{Reason: credential.SignInRefused, Registry: credential.DockerHub, What: "docker login did not sign in", Why: "what it said stands above"}
	}
	return nil
}

func (a *app) signedInHub(h *wire.Hub, what string) error {
	if a.output.json {
		until := h.Expires()
		a.writeJSON(report{Schema: schemaVersion, Session: &sessionJSON{Outcome: "signed-in", Who: h.Person(), Until: &until}})
		return nil
	}
	a.line(a.out, credential.Granted, "Docker Hub", "signed in as "+h.Person()+"; "+what)
	return nil
}

func notDockerHub() error {
	return &credential.Fault{Reason: credential.Usage, What: "purser makes and ends tokens at Docker Hub only", Why: "other registries have no API for it that it knows"}
}

// minter is the session with which tokens of a credential are made.
func (a *app) minter(ctx context.Context, w *wire.Wire, c credential.Credential, yes bool) (*wire.Hub, error) {
	if !c.Registry.IsDockerHub() {
		return nil, notDockerHub()
	}
	if a.env.ManagementSecret != "" {
		if a.consent != nil {
			// The variable speaks for runs without a person. An agent has one.
			d := decision{Question: "Use the account of PURSER_MANAGEMENT_SECRET_ID to make and end tokens for " + string(c.Name) + "?", Facts: facts(w, c)}
			if err := a.decide(ctx, d); err != nil {
				return nil, about(err, c)
			}
		}
		h, err := w.HubUnattended(ctx, a.env.ManagementSecret, c)
		return h, about(err, c)
	}
	h, err := a.hubSession(ctx, w, c.Username, yes, useFor(w, c))
	if err != nil {
		return nil, about(err, c)
	}
	return h, nil
}
