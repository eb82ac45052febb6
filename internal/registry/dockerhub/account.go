package dockerhub

import (
	"context"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
)

// accounts signs people in.
type accounts struct{}

// Session takes a bearer that a sign-in has left.
func (accounts) Session(c *registry.Client, bearer credential.Secret, account string) (registry.Account, error) {
	s, err := readSession(bearer, c.Now())
	if err != nil {
		return nil, err
	}
	return newAccount(c, s, account), nil
}

func (accounts) SignIn(ctx context.Context, c *registry.Client, person string, password credential.Secret, code registry.SecondFactor, account string) (registry.Account, error) {
	s, err := signIn(ctx, c, person, password, code)
	if err != nil {
		return nil, err
	}
	return newAccount(c, s, account), nil
}

// Account manages the tokens of an account with a person's session: the person's own account, or an
// organization that the person owns.
type Account struct {
	client  *registry.Client
	session session
	account string // owner of the tokens
	org     string // the same, if it is an organization
}

func newAccount(c *registry.Client, s session, account string) *Account {
	h := &Account{client: c, session: s, account: account}
	switch {
	case account == "":
		h.account = s.Account
	case !strings.EqualFold(account, s.Account):
		h.org = account
	}
	return h
}

// Account returns the owner of the tokens.
func (h *Account) Account() string { return h.account }

// Person returns who is signed in.
func (h *Account) Person() string { return h.session.Account }

// Organization reports whether the account is an organization.
func (h *Account) Organization() bool { return h.org != "" }

// Expires returns when the session ends.
func (h *Account) Expires() time.Time { return h.session.Expires }
