package lifecycle

import (
	"context"
	"slices"
	"time"

	"purser/internal/credential"
)

// Minter makes, lists and revokes the tokens of one account at its registry.
type Minter interface {
	// Account is the user name that goes with the tokens.
	Account() string
	// Tokens lists them, with the registry's clock.
	Tokens(ctx context.Context) (tokens []credential.ManagedToken, now time.Time, err error)
	// Mint makes one. The error's reason is MaybeMinted if the registry may have made it.
	Mint(ctx context.Context, r credential.MintRequest) (credential.ManagedToken, credential.Secret, error)
	// Revoke deletes one; it succeeds if the token is already gone.
	Revoke(ctx context.Context, id string) error
	// Activate switches one on or off.
	Activate(ctx context.Context, id string, active bool) error
}

// The label of a minted token names the version that is to hold it. If no target has that
// version in a stage, the token is a leftover of a run that got no further. A run at work
// must not lose its token to another run's cleanup: it gives up unless it has staged the
// token within stageLimit, and others take no token for a leftover before orphanAge. They
// need not wait if the lease shows that the run ended before it began to store the token.
const (
	stageLimit = 30 * time.Second
	orphanAge  = 60 * time.Second
)

type minted struct {
	id    string
	by    time.Time // the deadline for staging it
	label string
	lease func(left bool)
}

func (m *minted) end(left bool) {
	if m.lease != nil {
		m.lease(left)
	}
	m.lease = nil
}

// late returns an error once another run may have revoked the token.
func (m *minted) late(now time.Time, s *slot) error {
	if m == nil || !now.After(m.by) {
		return nil
	}
	return &credential.Fault{
		Reason: credential.StoreUnreachable, Target: s.Target, What: "purser did not store the new token in time",
		Why: "storing it took longer than " + stageLimit.String() + ", after which another run may revoke it as a leftover",
	}
}

// home identifies the credential's place; "" where that is impossible.
func home(c credential.Credential, slots []*slot) string {
	if len(slots) == 0 {
		return ""
	}
	return credential.HomeOf(c.Registry, slots[0].found)
}

// prepareMint creates missing targets, so that their homes are known, and revokes what
// earlier runs left at the registry.
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

// mint returns a new token, or the one that an interrupted run staged.
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
		w.made = nil // giveUp has revoked it
		return Candidate{}, err
	}
	w.heed(asked, t.Expires)
	login := credential.Login{Username: w.Mint.Account(), Token: token}
	return Candidate{Login: login, Kind: credential.Classify(c.Registry, login), Where: "the registry, labelled " + label + ", " + w.ends(t.Expires)}, nil
}

// leftOver returns the token that an interrupted run staged and did not promote, if it works.
func (w *storing) leftOver(ctx context.Context) (Candidate, bool) {
	if w.Rebind {
		return Candidate{}, false // it may belong to the other registry
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

// revokeByLabel revokes the token that the registry may have made before its answer got
// lost. If this fails, the next run finds the token by its label.
func (r *Runner) revokeByLabel(ctx context.Context, m Minter, label string) {
	ctx, stop := cleanUp(ctx)
	defer stop()
	tokens, _, err := m.Tokens(ctx)
	if err != nil {
		return
	}
	for _, t := range tokens {
		if t.Label == label && m.Revoke(ctx, t.ID) == nil {
			r.report(StepTidied, "the registry had made the token after all; purser revoked it")
		}
	}
}

// stageInTime stages the new token before other runs may take it for a leftover: a request
// must not take effect after that.
func (w *storing) stageInTime(ctx context.Context, s *slot) error {
	if w.made == nil {
		return w.stage(ctx, s)
	}
	w.made.end(false) // from here on the store may have it
	ctx, stop := context.WithTimeout(ctx, w.made.by.Sub(w.Now()))
	defer stop()
	return w.stage(ctx, s)
}

// giveUp revokes this run's token unless a store may have it. That one stays in AWSPENDING,
// where the next run takes it over; another run may have done so already, and revoking the
// token could break what that run makes current.
func (w *storing) giveUp(ctx context.Context, slots []*slot) {
	if w.made == nil {
		return
	}
	if slices.ContainsFunc(slots, func(s *slot) bool { return s.version != "" }) {
		w.report(StepTidied, "the new token may be stored in AWSPENDING; the next run finishes or revokes it")
		return
	}
	ctx, stop := cleanUp(ctx)
	defer stop()
	err := w.Mint.Revoke(ctx, w.made.id)
	if w.made.end(err != nil); err != nil {
		w.report(StepTidied, "purser could not revoke the new token; the next run will")
		return
	}
	w.report(StepTidied, "purser revoked the new token again")
}

// freshWaits are the pauses between tries of a token that was just made: a registry may
// need a moment to know it.
var freshWaits = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}

// proveFresh proves a login, retrying if it is fresh.
func (r *Runner) proveFresh(ctx context.Context, req StoreRequest, login credential.Login, fresh bool) credential.Proof {
	p := r.Prover.Prove(ctx, req.Credential, login, req.AllowNew)
	if !fresh {
		return p
	}
	for _, pause := range freshWaits {
		if p.Verdict != credential.Refused || p.Fault == nil || p.Fault.Reason != credential.TokenRefused || r.wait(ctx, pause) != nil {
			return p
		}
		p = r.Prover.Prove(ctx, req.Credential, login, req.AllowNew)
	}
	return p
}
