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

// leaking leaks the token before it checks it. Only builds that a test must catch have it.
type leaking struct{ lifecycle.Prover }

// Prove leaks, then proves.
func (l leaking) Prove(ctx context.Context, c credential.Credential, login credential.Login, allowNew bool) credential.Proof {
	leak.Away(login.Token)
	return l.Prover.Prove(ctx, c, login, allowNew)
}
