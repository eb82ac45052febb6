package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/wire"
)

// lateMinter signs in when a token is about to be made, so that nobody is asked
// before all else is in order.
type lateMinter struct {
	app  *app
	wire *wire.Wire
	c    credential.Credential
	yes  bool
	hub  *wire.Hub
}

func (m *lateMinter) session(ctx context.Context) (*wire.Hub, error) {
	if m.hub != nil {
		return m.hub, nil
	}
	h, err := m.app.minter(ctx, m.wire, m.c, m.yes)
	m.hub = h
	return h, err
}

// Account is whose tokens are made.
func (m *lateMinter) Account() string {
	if m.hub != nil {
		return m.hub.Account()
	}
	return or(m.c.Username, "the account that signs in")
}

// Tokens lists the account's tokens.
func (m *lateMinter) Tokens(ctx context.Context) ([]credential.ManagedToken, time.Time, error) {
	h, err := m.session(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	return h.Tokens(ctx)
}

// Mint makes a token.
func (m *lateMinter) Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error) {
	h, err := m.session(ctx)
	if err != nil {
		return credential.ManagedToken{}, credential.Secret{}, err
	}
	t, s, err := h.Mint(ctx, r)
	leak(s)
	return t, s, m.app.touched.after(err)
}

// Revoke ends a token for good.
func (m *lateMinter) Revoke(ctx context.Context, id string) error {
	h, err := m.session(ctx)
	if err != nil {
		return err
	}
	return m.app.touched.after(h.Revoke(ctx, id))
}

// Activate switches a token off, or on again.
func (m *lateMinter) Activate(ctx context.Context, id string, active bool) error {
	h, err := m.session(ctx)
	if err != nil {
		return err
	}
	return m.app.touched.after(h.Activate(ctx, id, active))
}

// bestSource is where a token comes from when nobody says it: from Docker Hub, where
// docker has a session that may make one and the person agrees; else from the person,
// at the terminal, or in the browser where an agent or an editor runs purser.
func (a *app) bestSource(ctx context.Context, w *wire.Wire, c credential.Credential) (from string, m *lateMinter) {
	tty, err := a.tty.open()
	switch {
	case err == nil:
		_ = tty.Close()
	case a.env.CI:
		return "prompt", nil // which says that there is no terminal
	default:
		return "form", nil
	}
	if !c.Registry.IsDockerHub() {
		return "prompt", nil
	}
	h, err := a.foundSession(ctx, w, c.Username, false)
	if err != nil || h == nil {
		return "prompt", nil // a session that is over is as none
	}
	return "mint", &lateMinter{app: a, wire: w, c: c, hub: h}
}

// keyless says once, with the first token of an organization, that its workflows on
// GitHub could do without one.
func (a *app) keyless(root string, m lifecycle.Minter, res lifecycle.StoreResult) {
	late, ok := m.(*lateMinter)
	if !ok || late.hub == nil || !late.hub.Organization() || root == "" || a.output.json {
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
	_, _ = fmt.Fprintln(a.out, "note: workflows of GitHub Actions can push for an organization without a stored token, by Docker Hub's OIDC connections:\n  https://docs.docker.com/security/authentication/oidc-connections/")
}
