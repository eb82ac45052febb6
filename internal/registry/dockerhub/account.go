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

// SignIn signs in as a person.
func (accounts) SignIn(ctx context.Context, c *registry.Client, person string, password credential.Secret, code registry.SecondFactor, account string) (registry.Account, error) {
	s, err := signIn(ctx, c, person, password, code)
	if err != nil {
		return nil, err
	}
	return newAccount(c, s, account), nil
}

// Account manages the tokens of one account, with a person's session: of the session's own
// account, or of an organization that the person owns.
type Account struct {
	client  *registry.Client
	session session
	account string // whose tokens
	org     string // the same, when it is an organization
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

// Account is whose tokens it manages.
func (h *Account) Account() string { return h.account }

// Person is who is signed in.
func (h *Account) Person() string { return h.session.Account }

// Organization reports whether the account is one.
func (h *Account) Organization() bool { return h.org != "" }

// Expires is when the session ends.
func (h *Account) Expires() time.Time { return h.session.Expires }
