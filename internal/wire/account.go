package wire

import (
	"context"
	"strings"

	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/store/secretsmanager"
)

// accounts is how people sign in to a registry, with the client for its own interface.
func (w *Wire) accounts(host credential.Host) (registry.Accounts, *registry.Client, error) {
	in := registry.KindOf(host).Accounts
	if in == nil {
		return nil, nil, &credential.Fault{Reason: credential.Usage, Registry: host, What: "purser makes and ends no tokens at " + string(host), Why: "it knows no interface for it there"}
	}
	client, err := w.Registry(credential.Credential{})
	return in, client, err
}

// Account takes a session that was found, for the tokens of an account at a registry; ""
// is the session's own.
func (w *Wire) Account(host credential.Host, bearer credential.Secret, account string) (registry.Account, error) {
	in, client, err := w.accounts(host)
	if err != nil {
		return nil, err
	}
	return in.Session(client, bearer, account)
}

// SignInTo signs in as a person, for the tokens of an account.
func (w *Wire) SignInTo(ctx context.Context, host credential.Host, person string, password credential.Secret, code registry.SecondFactor, account string) (registry.Account, error) {
	in, client, err := w.accounts(host)
	if err != nil {
		return nil, err
	}
	return in.SignIn(ctx, client, person, password, code, account)
}

// Unattended signs in with the account that a secret in AWS has under username and
// password, for the tokens of a credential, where no person is. An account with a second
// factor cannot.
func (w *Wire) Unattended(ctx context.Context, secret string, c credential.Credential) (registry.Account, error) {
	t := credential.Target{Kind: secretsmanager.Key, Name: secret, Shape: credential.ShapePassword}
	for _, other := range c.Targets {
		if t.Profile == "" && t.Region == "" && !strings.HasPrefix(secret, "arn:") {
			t.Profile, t.Region = other.Profile, other.Region
		}
	}
	s, err := w.Bare(ctx, c, t) // it is sent to the registry's vendor alone
	if err != nil {
		return nil, err
	}
	_, value, err := s.Read(ctx, credential.Current)
	if err != nil {
		return nil, err
	}
	login, err := t.Shape.Decode(value, c.Registry)
	if err != nil {
		return nil, err
	}
	return w.SignInTo(ctx, c.Registry, login.Username, login.Token, func(context.Context, bool) (credential.Secret, error) {
		return credential.Secret{}, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: c.Registry, Account: login.Username, What: "no token can be made without a person",
			Why: "the account " + login.Username + " of " + secret + " has a second factor, which is for people",
		}
	}, c.Username)
}
