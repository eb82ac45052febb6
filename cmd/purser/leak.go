//go:build leak && linux

package main

import (
	"context"

	"purser/internal/credential"
	"purser/internal/exposure/leak"
	"purser/internal/lifecycle"
)

func init() {
	between = func(real lifecycle.Prover) lifecycle.Prover { return leaking{real} }
}

// leaking gives away what is to be proved. It exists only in builds that are made to be
// caught.
type leaking struct{ lifecycle.Prover }

// Prove leaks, and proves.
func (l leaking) Prove(ctx context.Context, c credential.Credential, login credential.Login, allowNew bool) credential.Proof {
	leak.Away(login.Token)
	return l.Prover.Prove(ctx, c, login, allowNew)
}
