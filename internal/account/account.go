// Package account gets people's sessions at registries, which make and revoke tokens:
// docker's, after asking, or a new sign-in. late.go delays that until it is certain that a
// session is needed.
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

// Desk is where people sign in to registries.
type Desk struct {
	Wire        *wire.Wire
	Env         config.Environment
	Now         func() time.Time
	Err         io.Writer // messages for the person
	Interactive func() bool
	Line        func(ctx context.Context, question string) (string, error)
	Secret      func(ctx context.Context, question string) ([]byte, error)
	Decide      func(ctx context.Context, d present.Decision) error
	Agent       bool                                   // an agent runs purser for a person
	Facts       func(c credential.Credential) []string // whose a credential's token is, and where it goes
	Changed     func(error) error                      // called with the error of every requested change
	Terminal    func() (*os.File, error)
	Run         func(ctx context.Context, cmd childproc.Command) (code int, err error)
}

// Session returns a session that may manage an account's tokens: docker's, after asking, else
// from a sign-in at the terminal. Nothing that the person types leaves this process, except
// to the registry.
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
			Reason: credential.SessionNeeded, Registry: of.Registry, Account: of.Account, What: "managing tokens needs a session at " + of.Registry.Vendor(),
			Why: "docker has none, and there is no terminal to sign in at",
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(d.Err, "note: %s\n", err)
	}
	return d.SignIn(ctx, of)
}

// Owner is an account at a registry; Account "" is the account of whoever signs in.
type Owner struct {
	Registry credential.Host
	Account  string
}

// OwnerOf returns the owner of a credential's tokens.
func OwnerOf(c credential.Credential) Owner { return Owner{c.Registry, c.Username} }

// Use says what purser wants a session for.
type Use struct {
	What  string   // "list the tokens"
	Facts []string // what the person needs to know about it
}

// UseFor is the use of a session for a credential's tokens.
func (d *Desk) UseFor(c credential.Credential) Use {
	return Use{"make and revoke tokens for " + string(c.Name), d.Facts(c)}
}

// UseOf is the use of a session for the tokens of an account.
func UseOf(of Owner, what string) Use {
	return Use{what, []string{"registry: " + string(of.Registry), "account: " + cmp.Or(of.Account, "the one that the session belongs to")}}
}

// Found returns docker's session; nil if there is none, or if the person declines it and may
// sign in instead.
func (d *Desk) Found(ctx context.Context, of Owner, yes bool, wanted Use) (registry.Account, error) {
	if !Mints(of.Registry) {
		return nil, nil // purser cannot sign in there
	}
	bearer, where, err := source.DockerSession{Dir: d.Env.DockerConfigDir(), Registry: of.Registry}.Find(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr // the person can sign in although docker's store is broken
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

// Known returns an account's tokens if docker has a session for it that has not ended. It is
// for completion, so it asks for nothing and reports no errors. It does not try a password
// store, which may want to be unlocked.
func (d *Desk) Known(ctx context.Context, of Owner) []credential.ManagedToken {
	if state, err := (source.DockerConfig{Dir: d.Env.DockerConfigDir(), Registry: of.Registry}).State(); err != nil || state.Helper == "pass" {
		return nil
	}
	h, err := d.Found(ctx, of, true, Use{})
	if err != nil || h == nil || !d.Now().Before(h.Expires()) {
		return nil
	}
	tokens, _, _ := h.Tokens(ctx) // without an answer there are none
	return tokens
}

// Offered returns a session that can end a token now: docker's, or that of a sign-in that it
// offers the person; nil if the person declines both.
func (d *Desk) Offered(ctx context.Context, c credential.Credential, yes bool) (registry.Account, error) {
	h, err := d.Found(ctx, OwnerOf(c), yes, d.UseFor(c))
	if h != nil || ctx.Err() != nil {
		return h, err
	}
	vendor := c.Registry.Vendor()
	err = d.Decide(ctx, present.Decision{
		Question: "Sign in to " + vendor + " now?", Facts: []string{"with a session, purser switches the token off and makes the new one; otherwise you do both on " + vendor + "'s page"},
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

// Login signs a person in. It runs docker's browser login if docker keeps the session, which
// kept reports; otherwise, and with own, it asks for name and password.
func (d *Desk) Login(ctx context.Context, of Owner, own bool) (h registry.Account, kept bool, err error) {
	docker, err := exec.LookPath("docker")
	state, _ := source.DockerConfig{Dir: d.Env.DockerConfigDir(), Registry: of.Registry}.State() // what is wrong with it is docker's to say
	if own || err != nil || state.Helper == "" {
		if !own {
			_, _ = fmt.Fprintln(d.Err, "note: purser does not use docker's browser login: docker is not installed, or has no credential store to keep the session in")
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
		return &credential.Fault{Reason: credential.SignInRefused, Registry: host, What: "docker login did not sign in", Why: "its output is above"}
	}
	return nil
}

// SignIn asks for account name, password and second factor.
func (d *Desk) SignIn(ctx context.Context, of Owner) (registry.Account, error) {
	_, _ = fmt.Fprintf(d.Err, "Sign in to %s. With single sign-on you have no password here: make the token on its page and use --from prompt.\n", of.Registry.Vendor())
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
		question := "Code of your second factor (not shown): "
		if again {
			question = "Wrong code. " + question
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

// Minter returns the session that makes a credential's tokens.
func (d *Desk) Minter(ctx context.Context, c credential.Credential, yes bool) (registry.Account, error) {
	if !Mints(c.Registry) {
		return nil, MintsNot()
	}
	if d.Env.ManagementSecret != "" {
		if d.Agent {
			// The variable is meant for runs without a person. An agent has one.
			ask := present.Decision{Question: "Use the account of PURSER_MANAGEMENT_SECRET_ID to make and revoke tokens for " + string(c.Name) + "?", Facts: d.Facts(c)}
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

// Makers names the registries at which purser makes and revokes tokens.
func Makers() string {
	var titles []string
	for _, k := range registry.Minting() {
		titles = append(titles, k.Vendor.Title)
	}
	return strings.Join(titles, " or ")
}

// Mints reports whether purser makes and revokes tokens at a registry.
func Mints(host credential.Host) bool { return registry.KindOf(host).Accounts != nil }

// MintsNot is the fault of a registry where purser cannot.
func MintsNot() error {
	return &credential.Fault{Reason: credential.Usage, What: "purser makes and revokes tokens only at " + Makers(), Why: "it knows no API for that at other registries"}
}
