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
func (a *app) bestSource(ctx context.Context, w *wire.Wire, c credential.Credential) (from string, m *account.Late) {
	tty, err := a.tty.Open()
	switch {
	case err == nil:
		_ = tty.Close()
	case a.env.CI:
		return "prompt", nil // which says that there is no terminal
	default:
		return "form", nil
	}
	if !account.Mints(c.Registry) {
		return "prompt", nil
	}
	h, err := a.desk(w).Found(ctx, account.OwnerOf(c), false, a.desk(w).UseFor(c))
	if err != nil || h == nil {
		return "prompt", nil // a session that is over is as none
	}
	return "mint", account.NewLate(a.desk(w), c, false, h)
}
