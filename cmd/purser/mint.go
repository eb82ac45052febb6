package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"purser/internal/present"

	"purser/internal/credential"
	"purser/internal/lease"
	"purser/internal/lifecycle"
	"purser/internal/registry"
	"purser/internal/wire"
)

// lateMinter signs in when a token is about to be made, so that nobody is asked
// before all else is in order. Credentials of one account may share it.
type lateMinter struct {
	app  *app
	wire *wire.Wire
	c    credential.Credential
	yes  bool

	mu      sync.Mutex       // guards what follows, and has one sign in for all
	session registry.Account // nil: not yet
	failed  error            // of signing in, which is not tried again: wrong passwords lock accounts

	listing sync.Mutex // guards what follows
	list    *tokenList
}

// tokenList is what was listed for all that share a minter.
type tokenList struct {
	tokens []credential.ManagedToken
	now    time.Time
	err    error
}

// signedIn is a session that has not ended: a run that waits for a day needs several.
func (m *lateMinter) signedIn(ctx context.Context) (registry.Account, error) {
	if h, err := m.known(); h != nil || err != nil {
		return h, err
	}
	if m.app.env.ManagementSecret == "" {
		// A person may be asked. Who waits for their turn must not keep others from it.
		if err := present.AwaitTurn(ctx); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if h, err := m.settled(); h != nil || err != nil {
		return h, err
	}
	h, err := m.app.minter(ctx, m.wire, m.c, m.yes)
	if err != nil && ctx.Err() == nil {
		m.failed = err
		return nil, repeated(err)
	}
	m.session = h
	return h, err
}

// known is what came of signing in; neither, where nobody has yet, or it has ended.
func (m *lateMinter) known() (registry.Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.settled()
}

func (m *lateMinter) settled() (registry.Account, error) {
	switch {
	case m.failed != nil:
		return nil, repeated(m.failed)
	case m.session != nil && m.app.now().Before(m.session.Expires()):
		return m.session, nil
	}
	return nil, nil //nolint:nilnil // nothing is settled
}

// repeated is a failure of its own for each credential that meets it.
func repeated(err error) error {
	f, ok := present.AsFault(err)
	if !ok {
		return err // nil, or nothing that is added to
	}
	again := *f
	return &again
}

// Listed is the list of tokens that the first of many credentials has got for all.
func (m *lateMinter) Listed(ctx context.Context) ([]credential.ManagedToken, time.Time, error) {
	h, err := m.signedIn(ctx)
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

// Account is whose tokens are made.
func (m *lateMinter) Account() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.session != nil {
		return m.session.Account()
	}
	return cmp.Or(m.c.Username, "the account that signs in")
}

// Tokens lists the account's tokens.
func (m *lateMinter) Tokens(ctx context.Context) ([]credential.ManagedToken, time.Time, error) {
	h, err := m.signedIn(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	return h.Tokens(ctx)
}

// Mint makes a token.
func (m *lateMinter) Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error) {
	h, err := m.signedIn(ctx)
	if err != nil {
		return credential.ManagedToken{}, credential.Secret{}, err
	}
	t, s, err := h.Mint(ctx, r)
	return t, s, m.app.touched.after(err)
}

// Revoke ends a token for good.
func (m *lateMinter) Revoke(ctx context.Context, id string) error {
	h, err := m.signedIn(ctx)
	if err != nil {
		return err
	}
	return m.app.touched.after(h.Revoke(ctx, id))
}

// Activate switches a token off, or on again.
func (m *lateMinter) Activate(ctx context.Context, id string, active bool) error {
	h, err := m.signedIn(ctx)
	if err != nil {
		return err
	}
	return m.app.touched.after(h.Activate(ctx, id, active))
}

// leases tell runs on this machine which of them are over; nil where no folder is known to
// keep them in.
func (a *app) leases() lifecycle.Leases {
	if a.env.DataDir() == "" {
		return nil
	}
	return lease.Folder{Path: filepath.Join(a.env.DataDir(), "runs")}
}

// bestSource is where a token comes from when nobody says it: from the registry, where
// docker has a session that may make one and the person agrees; else from the person,
// at the terminal, or in the browser where an agent or an editor runs purser.
func (a *app) bestSource(ctx context.Context, w *wire.Wire, c credential.Credential) (from string, m *lateMinter) {
	tty, err := a.tty.Open()
	switch {
	case err == nil:
		_ = tty.Close()
	case a.env.CI:
		return "prompt", nil // which says that there is no terminal
	default:
		return "form", nil
	}
	if !mints(c.Registry) {
		return "prompt", nil
	}
	h, err := a.foundSession(ctx, w, ownerOf(c), false, useFor(w, c))
	if err != nil || h == nil {
		return "prompt", nil // a session that is over is as none
	}
	return "mint", &lateMinter{app: a, wire: w, c: c, session: h}
}

// keyless says once, with the first token of an organization, that its workflows on
// GitHub could do without one.
func (a *app) keyless(root string, m lifecycle.Minter, res lifecycle.StoreResult) {
	late, ok := m.(*lateMinter)
	if !ok || late.session == nil || !late.session.Organization() || root == "" || a.output.JSON {
		return
	}
	page := registry.KindOf(late.c.Registry).Keyless
	if page == "" {
		return
	}
	for _, p := range res.Places {
		if p.Replaced != "" {
			return
		}
	}
	if _, err := os.Stat(filepath.Join(root, ".github", "workflows")); err != nil {
		return
	}
	_, _ = fmt.Fprintln(a.out, "note: workflows of GitHub Actions can push for an organization without a stored token, by "+late.c.Registry.Vendor()+"'s OIDC connections:\n  "+page)
}
