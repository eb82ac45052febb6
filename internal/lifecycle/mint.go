package lifecycle

import (
	"context"
	"slices"
	"time"

	"purser/internal/credential"
)

// Minter makes, lists and ends the tokens of one account at its registry.
type Minter interface {
	// Account is the user name that goes with the tokens.
	Account() string
	// Tokens lists them, with the registry's own time.
	Tokens(ctx context.Context) (tokens []credential.ManagedToken, now time.Time, err error)
	// Mint makes one. Where it is not known whether it was made, the reason of the
	// error is MaybeMinted.
	Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error)
	// Revoke ends one for good; one that is gone is no error.
	Revoke(ctx context.Context, id string) error
	// Activate switches one off, or on again.
	Activate(ctx context.Context, id string, active bool) error
}

// A token that is minted carries in its label the version that is to hold it. One
// whose version is in no stage of any target is held by nobody: it was made by a run
// that did not get further. A run that is still at it must not lose its token to
// another one that cleans up; so a run that has not staged what it made within
// stageLimit gives up, and none is taken for left over before it is orphanAge old. Where
// its lease says that the run ended before it began to store the token, nothing can come
// any more, and there is nothing to wait for.
const (
	stageLimit = 30 * time.Second
	orphanAge  = 60 * time.Second
)

// minted is a token that this run has made.
type minted struct {
	id    string
	by    time.Time // when it has to be in a store
	label string
	lease func(left bool)
}

// end gives the lease back, once.
func (m *minted) end(left bool) {
	if m.lease != nil {
		m.lease(left)
	}
	m.lease = nil
}

// late is an error once another run may have ended the token.
func (m *minted) late(now time.Time, s *slot) error {
	if m == nil || !now.After(m.by) {
		return nil
	}
	return &credential.Fault{
		Reason: credential.StoreUnreachable, Target: s.Target, What: "the token that was made was not stored in time",
		Why: "another run may take it for left over from now on; it took longer than " + stageLimit.String(),
	}
}

// home tells the credential's place from every other one, "" when it cannot be told.
func home(c credential.Credential, slots []*slot) string {
	if len(slots) == 0 {
		return ""
	}
	return credential.HomeOf(c.Registry, slots[0].found)
}

// prepareMint makes the targets that are missing, so that their homes are known, and
// ends what earlier runs have left at the registry.
func (w *storing) prepareMint(ctx context.Context) error {
	for _, s := range w.slots {
		if s.exists {
			continue
		}
		if err := s.Store.Create(ctx); err != nil {
			return err
		}
		d, err := s.Store.Describe(ctx)
		if err != nil {
			return err
		}
		s.exists, s.found = true, d
	}
	return w.sweep(ctx, w.StoreRequest, w.slots, overlapOf(w.Credential))
}

func (r *Runner) wait(ctx context.Context, d time.Duration) error {
	if r.Wait != nil {
		return r.Wait(ctx, d)
	}
	return credential.Wait(ctx, d, "waiting")
}

// mint gives a token that this run or an interrupted one has made.
func (w *storing) mint(ctx context.Context) (Candidate, error) {
	if found, ok := w.leftOver(ctx); ok {
		return found, nil
	}
	c := w.Credential
	label := credential.NewLabel(c.Name, w.id, home(c, w.slots)).String()
	if err := w.clearEarlier(ctx, label); err != nil {
		return Candidate{}, err
	}
	m := &minted{by: w.Now().Add(stageLimit), label: label}
	if w.Leases != nil {
		m.lease = w.Leases.Take(w.id)
	}
	asked := w.end()
	t, token, err := w.Mint.Mint(ctx, credential.MintRequest{Label: label, Access: c.Access, Repositories: c.Repositories, Expires: asked})
	if err != nil {
		if credential.ReasonOf(err) == credential.MaybeMinted {
			w.revokeByLabel(ctx, w.Mint, label)
		}
		m.end(credential.ReasonOf(err) == credential.MaybeMinted)
		return Candidate{}, err
	}
	m.id, w.made = t.ID, m
	if err := w.alone(ctx); err != nil {
		w.made = nil // it was given up
		return Candidate{}, err
	}
	w.heed(asked, t.Expires)
	login := credential.Login{Username: w.Mint.Account(), Token: token}
	return Candidate{Login: login, Kind: credential.Classify(c.Registry, login), Where: "the registry, which made it as " + label + ", " + w.ends(t.Expires)}, nil
}

// leftOver is what an interrupted run has staged and not promoted, when it is good.
func (w *storing) leftOver(ctx context.Context) (Candidate, bool) {
	if w.Rebind {
		return Candidate{}, false // it may be the other registry's
	}
	for _, s := range w.slots {
		left := s.found.At(credential.Pending)
		if left == "" || left == s.found.At(credential.Current) || superseded(s.found) || left != w.Version && (w.Version != "" || !left.IsOurs()) {
			continue
		}
		_, value, err := s.Store.Read(ctx, credential.Pending)
		if err != nil {
			continue
		}
		login, err := s.Target.Shape.Decode(value, w.Credential.Registry)
		if err != nil || w.Prover.Prove(ctx, w.Credential, login, w.AllowNew).Verdict != credential.Granted {
			continue
		}
		s.taken = left
		kind := credential.Classify(w.Credential.Registry, login)
		return Candidate{Login: login, Kind: kind, Where: "an interrupted run, which had stored it"}, true
	}
	return Candidate{}, false
}

// revokeByLabel ends what a lost answer may have left. What it cannot do now, the
// next run does: the label says whose it was.
func (r *Runner) revokeByLabel(ctx context.Context, m Minter, label string) {
	ctx, stop := cleanUp(ctx)
	defer stop()
	tokens, _, err := m.Tokens(ctx)
	if err != nil {
		return
	}
	for _, t := range tokens {
		if t.Label == label && m.Revoke(ctx, t.ID) == nil {
			r.report(StepTidied, "the token that the registry may have made was there, and was revoked")
		}
	}
}

// stageInTime stages what was made for as long as no other run may take it for left
// over: a request that is still under way then must not take effect later.
func (w *storing) stageInTime(ctx context.Context, s *slot) error {
	if w.made == nil {
		return w.stage(ctx, s)
	}
	w.made.end(false) // from here on it may come to be in the store
	ctx, stop := context.WithTimeout(ctx, w.made.by.Sub(w.Now()))
	defer stop()
	return w.stage(ctx, s)
}

// giveUp ends a token that this run has made and not stored anywhere. One that is in a
// store stays there, in AWSPENDING: another run may have taken it over meanwhile, and
// the next one does; ending it now could end what that makes current.
func (w *storing) giveUp(ctx context.Context, slots []*slot) {
	if w.made == nil {
		return
	}
	if slices.ContainsFunc(slots, func(s *slot) bool { return s.version != "" }) {
		w.report(StepTidied, "the token that was made may be stored in AWSPENDING; the next run finishes it or ends it")
		return
	}
	ctx, stop := cleanUp(ctx)
	defer stop()
	err := w.Mint.Revoke(ctx, w.made.id)
	if w.made.end(err != nil); err != nil {
		w.report(StepTidied, "the token that was made could not be revoked; the next run ends it")
		return
	}
	w.report(StepTidied, "the token that was made is revoked again")
}

// freshWaits are the pauses after which a token that was just made is tried again:
// registries may need a moment to know it.
func freshWaits() []time.Duration {
	return []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}
}

// proveFresh proves a login, with patience for one that was just made.
func (r *Runner) proveFresh(ctx context.Context, req StoreRequest, login credential.Login, fresh bool) credential.Proof {
	p := r.Prover.Prove(ctx, req.Credential, login, req.AllowNew)
	if !fresh {
		return p
	}
	for _, pause := range freshWaits() {
		if p.Verdict != credential.Refused || p.Fault == nil || p.Fault.Reason != credential.TokenRefused || r.wait(ctx, pause) != nil {
			return p
		}
		p = r.Prover.Prove(ctx, req.Credential, login, req.AllowNew)
	}
	return p
}
