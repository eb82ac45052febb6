package account

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/registry"
)

// Late signs in when a token is about to be made, so that it asks nobody before everything
// else is in order. Credentials of one account may share it.
type Late struct {
	desk *Desk
	c    credential.Credential
	yes  bool

	mu      sync.Mutex       // guards the next two, and makes one sign-in serve all
	session registry.Account // nil: not signed in
	failed  error            // of the sign-in, which is not repeated: wrong passwords lock accounts

	listing sync.Mutex // guards list
	list    *tokenList
}

// NewLate returns a Late for a credential's account; h is an existing session, or nil.
func NewLate(d *Desk, c credential.Credential, yes bool, h registry.Account) *Late {
	return &Late{desk: d, c: c, yes: yes, session: h}
}

// Registry returns the registry of the tokens.
func (m *Late) Registry() credential.Host { return m.c.Registry }

// Session returns the present session; nil: none.
func (m *Late) Session() registry.Account {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.session
}

type tokenList struct {
	tokens []credential.ManagedToken
	now    time.Time
	err    error
}

// SignedIn returns a session that has not expired: a run that waits for a day needs several.
func (m *Late) SignedIn(ctx context.Context) (registry.Account, error) {
	if h, err := m.known(); h != nil || err != nil {
		return h, err
	}
	if m.desk.Env.ManagementSecret == "" {
		// purser may ask the person. Wait for the turn without holding the lock.
		if err := present.AwaitTurn(ctx); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if h, err := m.settled(); h != nil || err != nil {
		return h, err
	}
	h, err := m.desk.Minter(ctx, m.c, m.yes)
	if err != nil && ctx.Err() == nil {
		m.failed = err
		return nil, repeated(err)
	}
	m.session = h
	return h, err
}

// known returns the session or the failure to sign in, if either is settled.
func (m *Late) known() (registry.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settled()
}

func (m *Late) settled() (registry.Account, error) {
	switch {
	case m.failed != nil:
		return nil, repeated(m.failed)
	case m.session != nil && m.desk.Now().Before(m.session.Expires()):
		return m.session, nil
	}
	return nil, nil
}

// repeated copies a fault for each credential that meets it, since callers change it.
func repeated(err error) error {
	f, ok := present.AsFault(err)
	if !ok {
		return err // nil, or an error that callers do not change
	}
	again := *f
	return &again
}

// Listed returns the token list that the first of many credentials fetched for all.
func (m *Late) Listed(ctx context.Context) ([]credential.ManagedToken, time.Time, error) {
	h, err := m.SignedIn(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	m.listing.Lock()
	defer m.listing.Unlock()
	if m.list == nil {
		var l tokenList
		if l.tokens, l.now, l.err = h.Tokens(ctx); l.err != nil && ctx.Err() != nil {
			return nil, time.Time{}, l.err
		}
		m.list = &l
	}
	return m.list.tokens, m.list.now, repeated(m.list.err)
}

// Account names the owner of the tokens.
func (m *Late) Account() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != nil {
		return m.session.Account()
	}
	return cmp.Or(m.c.Username, "the account that signs in")
}

// Tokens lists the account's tokens.
func (m *Late) Tokens(ctx context.Context) ([]credential.ManagedToken, time.Time, error) {
	h, err := m.SignedIn(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	return h.Tokens(ctx)
}

// Mint makes a token.
func (m *Late) Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error) {
	h, err := m.SignedIn(ctx)
	if err != nil {
		return credential.ManagedToken{}, credential.Secret{}, err
	}
	t, s, err := h.Mint(ctx, r)
	return t, s, m.desk.Changed(err)
}

// Revoke revokes a token for good.
func (m *Late) Revoke(ctx context.Context, id string) error {
	h, err := m.SignedIn(ctx)
	if err != nil {
		return err
	}
	return m.desk.Changed(h.Revoke(ctx, id))
}

// Activate switches a token on or off.
func (m *Late) Activate(ctx context.Context, id string, active bool) error {
	h, err := m.SignedIn(ctx)
	if err != nil {
		return err
	}
	return m.desk.Changed(h.Activate(ctx, id, active))
}

// Keyless says, with the first token of an organization, that the workflows of GitHub Actions
// in a folder could do without one; "" where that is not so.
func (m *Late) Keyless(folder string, res lifecycle.StoreResult) string {
	page, h := registry.KindOf(m.c.Registry).Keyless, m.Session()
	first := !slices.ContainsFunc(res.Places, func(p lifecycle.PlaceResult) bool { return p.Replaced != "" })
	if page == "" || folder == "" || h == nil || !h.Organization() || !first {
		return ""
	}
	if _, err := os.Stat(filepath.Join(folder, ".github", "workflows")); err != nil {
		return ""
	}
	return "note: workflows of GitHub Actions can push for an organization without a stored token, by " + m.c.Registry.Vendor() + "'s OIDC connections:\n  " + page + "\n"
}
