package main

import (
	"context"
	"path/filepath"

	"purser/internal/account"
	"purser/internal/credential"
	"purser/internal/lease"
	"purser/internal/lifecycle"
	"purser/internal/wire"
)

// leases show which runs on this machine are over; nil without a folder to keep them in.
func (a *app) leases() lifecycle.Leases {
	if a.env.DataDir() == "" {
		return nil
	}
	return lease.Folder{Path: filepath.Join(a.env.DataDir(), "runs")}
}

// bestSource chooses where a token comes from if no flag does: the registry makes it if
// docker has a session for that; otherwise the person gives it, at the terminal or in the
// browser.
func (a *app) bestSource(ctx context.Context, w *wire.Wire, c credential.Credential) (from string, m *account.Late) {
	tty, err := a.tty.Open()
	switch {
	case err == nil:
		_ = tty.Close()
	case a.env.CI:
		return "prompt", nil // which reports the missing terminal
	default:
		return "form", nil
	}
	if !account.Mints(c.Registry) {
		return "prompt", nil
	}
	h, err := a.desk(w).Found(ctx, account.OwnerOf(c), false, a.desk(w).UseFor(c))
	if err != nil || h == nil {
		return "prompt", nil // an ended session is no session
	}
	return "mint", account.NewLate(a.desk(w), c, false, h)
}
