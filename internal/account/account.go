// Package account gets people's sessions at registries, with which tokens are made and
// ended: docker's, after asking, or by a sign-in; and late, when it is certain that one is
// needed (late.go).
package account

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"purser/internal/arguments"
	"purser/internal/childproc"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/registry"
	"purser/internal/source"
	"purser/internal/wire"
)

// Desk is where people sign in.
type Desk struct {
	Wire        *wire.Wire
	Env         config.Environment
	Now         func() time.Time
	Err         io.Writer // what a person is told
	Interactive func() bool
	Line        func(ctx context.Context, question string) (string, error)
	Secret      func(ctx context.Context, question string) ([]byte, error)
	Decide      func(ctx context.Context, d present.Decision) error
	Agent       bool                                   // an agent has purser run, and there is a person besides
	Facts       func(c credential.Credential) []string // whose a credential's token is, and where it goes
	Changed     func(error) error                      // is told of every change that is asked for
	Terminal    func() (*os.File, error)
	Run         func(ctx context.Context, cmd childproc.Command) (code int, err error)
}

// Session gets the right to manage an account's tokens at its registry: the session
// that docker's login has left, after asking, else a sign-in at the terminal. What is
// typed and what comes of it stays in this process.
func (d *Desk) Session(ctx context.Context, of Owner, yes bool, wanted Use) (registry.Account, error) {
	if d.Env.ManagementSecret != "" {
		return d.Wire.Unattended(ctx, d.Env.ManagementSecret, credential.Credential{Registry: of.Registry, Username: of.Account})
	}
	h, err := d.Found(ctx, of, yes, wanted)
	if h != nil || err != nil && !d.Interactive() {
		return h, err
	}
	if !d.Interactive() {
		return nil, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: of.Registry, Account: of.Account, What: "managing tokens takes a session at " + of.Registry.Vendor(),
			Why: "docker has none, and there is no terminal to sign in on",
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(d.Err, "note: %s\n", err)
	}
	return d.SignIn(ctx, of)
}

// Owner is an account at a registry; "" is that of whoever signs in.
type Owner struct {
	Registry credential.Host
	Account  string
}

// OwnerOf is whose a credential's tokens are.
func OwnerOf(c credential.Credential) Owner { return Owner{c.Registry, c.Username} }

// Use is what a session at a registry is wanted for.
type Use struct {
	What  string   // "list the tokens"
	Facts []string // what the person needs to know about it
}

// UseFor is the use of a session for a credential's tokens.
func (d *Desk) UseFor(c credential.Credential) Use {
	return Use{"make and end tokens for " + string(c.Name), d.Facts(c)}
}

// UseOf is the use of a session for the tokens of an account.
func UseOf(of Owner, what string) Use {
	return Use{what, []string{"registry: " + string(of.Registry), "account: " + cmp.Or(of.Account, "the one that the session belongs to")}}
}

// Found is docker's, nil when there is none, or when the person says no and may
// sign in instead.
func (d *Desk) Found(ctx context.Context, of Owner, yes bool, wanted Use) (registry.Account, error) {
	if !Mints(of.Registry) {
		return nil, nil // nobody signs in there
	}
	bearer, where, err := source.DockerSession{Dir: d.Env.DockerConfigDir(), Registry: of.Registry}.Find(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr // what is wrong with docker's store is no reason not to sign in
	}
	h, err := d.Wire.Account(of.Registry, bearer, of.Account)
	if err != nil {
		return nil, err
	}
	if yes {
		return h, nil
	}
	has := fmt.Sprintf("docker has a session of %s at %s until %s, in %s; it opens the whole account", credential.Quote(h.Person(), bearer), of.Registry.Vendor(), h.Expires().Local().Format("15:04"), where)
	err = d.Decide(ctx, present.Decision{Question: "Use docker's session to " + wanted.What + "?", Facts: append([]string{has}, wanted.Facts...)})
	if credential.ReasonOf(err) == credential.Declined && d.Interactive() {
		return nil, nil // the person said no, and may sign in
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// Offered is a session with which a token can be ended now: docker's, or one of a sign-in
// that the person is offered. nil: there is none, and the person does not want to sign in.
func (d *Desk) Offered(ctx context.Context, c credential.Credential, yes bool) (registry.Account, error) {
	h, err := d.Found(ctx, OwnerOf(c), yes, d.UseFor(c))
	if h != nil || ctx.Err() != nil {
		return h, err
	}
	vendor := c.Registry.Vendor()
	err = d.Decide(ctx, present.Decision{
		Question: "Sign in to " + vendor + " now?", Facts: []string{"purser then switches the token off and makes the new one; without it you do both on " + vendor + "'s page"},
	})
	if credential.ReasonOf(err) == credential.Declined {
		return nil, nil // the person does it by hand
	}
	if err != nil {
		return nil, err
	}
	h, _, err = d.Login(ctx, OwnerOf(c), false)
	return h, err
}

// Login signs a person in: by docker's browser login where docker keeps the session, which
// kept reports, else, and with own, by name and password.
func (d *Desk) Login(ctx context.Context, of Owner, own bool) (h registry.Account, kept bool, err error) {
	docker, err := exec.LookPath("docker")
	state, _ := source.DockerConfig{Dir: d.Env.DockerConfigDir(), Registry: of.Registry}.State() // what is wrong with it is docker's to say
	if own || err != nil || state.Helper == "" {
		if !own {
			_, _ = fmt.Fprintln(d.Err, "note: docker's browser login is not used: docker is not installed, or has no credential store to keep the session in")
		}
		h, err = d.SignIn(ctx, of)
		return h, false, err
	}
	if err := d.dockerLogin(ctx, docker, of.Registry); err != nil {
		return nil, false, err
	}
	h, err = d.Found(ctx, of, true, Use{})
	if err == nil && h == nil {
		err = &credential.Fault{
			Reason: credential.SessionNeeded, Registry: of.Registry, What: "docker's login left no session that can manage tokens",
			Why: "it does so when it signs in with a browser (docker 27.2 and later), and not with a name and a password",
		}
	}
	return h, true, err
}

// dockerLogin lets docker ask the person.
func (d *Desk) dockerLogin(ctx context.Context, docker string, host credential.Host) error {
	tty, err := d.Terminal()
	if err != nil {
		return err
	}
	defer func() { _ = tty.Close() }()
	code, err := d.Run(ctx, childproc.Command{Program: docker, Args: []string{"login"}, Env: config.Inherited(nil), In: tty, Out: tty, Err: tty})
	if err != nil {
		return fmt.Errorf("run docker login: %w", err)
	}
	if code != 0 {
		return &credential.Fault{Reason: credential.SignInRefused, Registry: host, What: "docker login did not sign in", Why: "what it said stands above"}
	}
	return nil
}

// SignIn asks for name, password and second factor.
func (d *Desk) SignIn(ctx context.Context, of Owner) (registry.Account, error) {
	_, _ = fmt.Fprintf(d.Err, "Sign in to %s. A company's single sign-on has no password: make the token on its page then, with --from prompt.\n", of.Registry.Vendor())
	person, err := d.Line(ctx, "Account name"+inBrackets(of.Account)+": ")
	if err != nil {
		return nil, err
	}
	if person == "" {
		person = of.Account
	}
	if err := arguments.RefuseTokens([]string{person}); err != nil {
		return nil, err
	}
	password, err := d.Secret(ctx, "Password of "+credential.Quote(person)+" (not shown): ")
	if err != nil {
		return nil, err
	}
	return d.Wire.SignInTo(ctx, of.Registry, person, credential.NewSecret(string(password)), func(ctx context.Context, again bool) (credential.Secret, error) {
		question := "Code of the second factor (not shown): "
		if again {
			question = "That was not right. " + question
		}
		code, err := d.Secret(ctx, question)
		return credential.NewSecret(strings.TrimSpace(string(code))), err
	}, of.Account)
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return " [" + text + "]"
}

// Minter is the session with which tokens of a credential are made.
func (d *Desk) Minter(ctx context.Context, c credential.Credential, yes bool) (registry.Account, error) {
	if !Mints(c.Registry) {
		return nil, MintsNot()
	}
	if d.Env.ManagementSecret != "" {
		if d.Agent {
			// The variable speaks for runs without a person. An agent has one.
			ask := present.Decision{Question: "Use the account of PURSER_MANAGEMENT_SECRET_ID to make and end tokens for " + string(c.Name) + "?", Facts: d.Facts(c)}
			if err := d.Decide(ctx, ask); err != nil {
				return nil, credential.About(err, c)
			}
		}
		h, err := d.Wire.Unattended(ctx, d.Env.ManagementSecret, c)
		return h, credential.About(err, c)
	}
	h, err := d.Session(ctx, OwnerOf(c), yes, d.UseFor(c))
	if err != nil {
		return nil, credential.About(err, c)
	}
	return h, nil
}

// Makers names the registries at which purser makes and ends tokens.
func Makers() string {
	var titles []string
	for _, k := range registry.Minting() {
		titles = append(titles, k.Vendor.Title)
	}
	return strings.Join(titles, " or ")
}

// Mints reports whether purser makes and ends tokens at a registry.
func Mints(host credential.Host) bool { return registry.KindOf(host).Accounts != nil }

// MintsNot is the fault where purser makes and ends no tokens.
func MintsNot() error {
	return &credential.Fault{Reason: credential.Usage, What: "purser makes and ends tokens at " + Makers() + " only", Why: "other registries have no API for it that it knows"}
}
