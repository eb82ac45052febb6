package wire

import (
	"context"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
)

// Hub manages the tokens of one account at Docker Hub, with a person's session: of
// the session's own account, or of an organization that it owns.
type Hub struct {
	client  *registry.Client
	session registry.HubSession
	account string // whose tokens
	org     string // the same, when it is an organization
	hold    func() (release func())
}

// HubOf takes a session that was found for the tokens of an account; "" is the
// session's own.
func (w *Wire) HubOf(bearer credential.Secret, account string) (*Hub, error) {
	s, err := registry.ReadHubSession(bearer, w.Now())
	if err != nil {
		return nil, err
	}
	return w.hub(s, account)
}

// HubSignIn signs in as a person, for the tokens of an account.
func (w *Wire) HubSignIn(ctx context.Context, person string, password credential.Secret, code registry.SecondFactor, account string) (*Hub, error) {
	client, err := w.Registry(credential.Credential{})
	if err != nil {
		return nil, err
	}
	s, err := client.SignInHub(ctx, person, password, code)
	if err != nil {
		return nil, err
	}
	return w.hub(s, account)
}

// HubUnattended signs in with the account that a secret in AWS has under username and
// password, for the tokens of a credential, where no person is. An account with a second
// factor cannot.
func (w *Wire) HubUnattended(ctx context.Context, secret string, c credential.Credential) (*Hub, error) {
	t := credential.Target{Secret: secret, Shape: credential.ShapePassword}
	for _, other := range c.Targets {
		if t.Profile == "" && t.Region == "" && !strings.HasPrefix(secret, "arn:") {
			t.Profile, t.Region = other.Profile, other.Region
		}
	}
	s, err := w.Bare(ctx, c, t) // it is sent to Docker Hub, whatever the credential's registry
	if err != nil {
		return nil, err
	}
	_, value, err := s.Read(ctx, credential.Current)
	if err != nil {
		return nil, err
	}
	login, err := t.Shape.Decode(value, credential.DockerHub)
	if err != nil {
		return nil, err
	}
	return w.HubSignIn(ctx, login.Username, login.Token, func(context.Context, bool) (credential.Secret, error) {
		return credential.Secret{}, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: credential.DockerHub, Account: login.Username, What: "no token can be made without a person",
			Why: "the account " + login.Username + " of " + secret + " has a second factor, which is for people",
		}
	}, c.Username)
}

func (w *Wire) hub(s registry.HubSession, account string) (*Hub, error) {
	client, err := w.Registry(credential.Credential{})
	if err != nil {
		return nil, err
	}
	h := &Hub{client: client, session: s, account: account, hold: w.Hold}
	if h.hold == nil {
		h.hold = func() func() { return func() {} }
	}
	switch {
	case account == "":
		h.account = s.Account
	case !strings.EqualFold(account, s.Account):
		h.org = account
	}
	return h, nil
}

// Account is whose tokens it manages.
func (h *Hub) Account() string { return h.account }

// Person is who is signed in.
func (h *Hub) Person() string { return h.session.Account }

// Organization reports whether the account is one.
func (h *Hub) Organization() bool { return h.org != "" }

// Expires is when the session ends.
func (h *Hub) Expires() time.Time { return h.session.Expires }

// Tokens lists the account's tokens, with Docker Hub's time.
func (h *Hub) Tokens(ctx context.Context) ([]credential.ManagedToken, time.Time, error) {
	return h.client.HubTokens(ctx, h.session, h.org)
}

// Mint makes a token.
func (h *Hub) Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error) {
	return h.client.MintHub(ctx, h.session, h.org, r)
}

// Revoke ends a token for good.
func (h *Hub) Revoke(ctx context.Context, id string) error {
	defer h.hold()()
	return h.client.RevokeHub(ctx, h.session, h.org, id)
}

// Activate deactivates a token, or brings it back.
func (h *Hub) Activate(ctx context.Context, id string, active bool) error {
	defer h.hold()()
	return h.client.ActivateHub(ctx, h.session, h.org, id, active)
}

// Pushes lists the tags of a repository that were pushed since a time.
func (h *Hub) Pushes(ctx context.Context, repo credential.Repository, since time.Time) ([]credential.TagPush, bool, error) {
	return h.client.HubPushes(ctx, h.session, repo, since)
}

// Events reads the account's audit log.
func (h *Hub) Events(ctx context.Context, since time.Time) ([]credential.AccountEvent, bool, error) {
	return h.client.HubEvents(ctx, h.session, h.account, since)
}
