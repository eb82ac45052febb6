package wire

import (
	"context"
	"errors"
	"strings"

	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/store/secretsmanager"
)

// accounts returns how people sign in to a registry, and the client for it.
func (w *Wire) accounts(host credential.Host) (registry.Accounts, *registry.Client, error) {
	in := registry.KindOf(host).Accounts
	if in == nil {
		return nil, nil, &credential.Fault{Reason: credential.Usage, Registry: host, What: "purser cannot manage tokens at " + string(host), Why: "it knows no API for that registry's tokens"}
	}
	client, err := w.Registry(credential.Credential{})
	return in, client, err
}

// Account uses an existing session to manage an account's tokens; "" means the session's account.
func (w *Wire) Account(host credential.Host, bearer credential.Secret, account string) (registry.Account, error) {
	in, client, err := w.accounts(host)
	if err != nil {
		return nil, err
	}
	return in.Session(client, bearer, account)
}

// SignInTo signs in as a person to manage an account's tokens.
func (w *Wire) SignInTo(ctx context.Context, host credential.Host, person string, password credential.Secret, code registry.SecondFactor, account string) (registry.Account, error) {
	in, client, err := w.accounts(host)
	if err != nil {
		return nil, err
	}
	return in.SignIn(ctx, client, person, password, code, account)
}

// Unattended signs in with the username and password in an AWS secret, to manage a credential's tokens
// without a person. It fails for accounts with a second factor.
func (w *Wire) Unattended(ctx context.Context, secret string, c credential.Credential) (registry.Account, error) {
	login, err := w.LoginIn(ctx, secret, credential.ShapePassword, c) // the password goes only to the registry's vendor
	if err != nil {
		return nil, err
	}
	return w.SignInTo(ctx, c.Registry, login.Username, login.Token, func(context.Context, bool) (credential.Secret, error) {
		return credential.Secret{}, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: c.Registry, Account: login.Username, What: "purser cannot sign in without a person",
			Why: "the account " + login.Username + " in " + secret + " has a second factor",
		}
	}, c.Username)
}

// LoginIn reads a login from an AWS secret that is no credential's. It looks in the account and region
// of the credential, if there is one.
func (w *Wire) LoginIn(ctx context.Context, secret string, shape credential.Shape, c credential.Credential) (credential.Login, error) {
	t := credential.Target{Kind: secretsmanager.Key, Name: secret, Shape: shape}
	for _, other := range c.Targets {
		if t.Profile == "" && t.Region == "" && !strings.HasPrefix(secret, "arn:") {
			t.Profile, t.Region = other.Profile, other.Region
		}
	}
	s, err := w.Bare(ctx, c, t)
	if err != nil {
		return credential.Login{}, err
	}
	_, value, err := s.Read(ctx, credential.Current)
	if err != nil {
		return credential.Login{}, err
	}
	return t.Shape.Decode(value, c.Registry)
}

// Works asks the vendor of a token, which its form shows, whether it accepts the token. Unknown has an
// error that says why.
func (w *Wire) Works(ctx context.Context, token credential.Secret) (credential.Verdict, error) {
	ask := registry.MakerOf(token).Works
	if ask == nil {
		return credential.Unknown, &credential.Fault{Reason: credential.Usage, What: "purser does not know whom to ask about this token"}
	}
	client, err := w.Registry(credential.Credential{})
	if err != nil {
		return credential.Unknown, err
	}
	switch works, err := ask(ctx, client, token); {
	case err != nil:
		return credential.Unknown, err
	case works:
		return credential.Granted, nil
	}
	return credential.Refused, nil
}

// EndFound has the vendors of found tokens end them for good.
func (w *Wire) EndFound(ctx context.Context, tokens []credential.Secret) error {
	client, err := w.Registry(credential.Credential{})
	if err != nil {
		return err
	}
	by := map[*registry.Kind][]credential.Secret{}
	for _, t := range tokens {
		if maker := registry.MakerOf(t); maker.End != nil {
			by[maker] = append(by[maker], t)
		}
	}
	var errs []error
	for maker, of := range by {
		errs = append(errs, maker.End(ctx, client, of))
	}
	return errors.Join(errs...)
}
