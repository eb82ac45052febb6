package lifecycle

import (
	"context"
	"fmt"
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
// stageLimit gives up, and none is taken for left over before it is orphanAge old.
const (
	stageLimit = 30 * time.Second
	orphanAge  = 60 * time.Second
)

// minted is a token that this run has made.
type minted struct {
	id    string
	by    time.Time // when it has to be in a store
	label string
}

// home tells the credential's place from every other one, "" when it cannot be told.
func home(c credential.Credential, slots []*slot) string {
	if len(slots) == 0 || slots[0].found.Home == "" {
		return ""
	}
	return string(c.Registry) + "\x00" + slots[0].found.Home
}

// prepareMint makes the targets that are missing, so that their homes are known, and
// ends what earlier runs have left at the registry.
func (r *Runner) prepareMint(ctx context.Context, req StoreRequest, slots []*slot) error {
	for _, s := range slots {
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
	return r.sweep(ctx, req, slots, overlapOf(req.Credential))
}

// sweep revokes tokens that purser made for this credential at this place and that no
// target holds. One that was current before the version before is left its overlap,
// from the moment in which what is current now was made; with none, it is not, nor
// where it is switched off.
func (r *Runner) sweep(ctx context.Context, req StoreRequest, slots []*slot, overlap time.Duration) error {
	tokens, now, err := req.Mint.Tokens(ctx)
	if err != nil {
		return err
	}
	place := home(req.Credential, slots)
	since := madeAt(tokens, req.Credential.Name, slots[0].found.At(credential.Current))
	for _, t := range tokens {
		label, ok := credential.ParseLabel(t.Label)
		if !ok || label.Name != req.Credential.Name || !label.MadeFor(place) {
			continue
		}
		again := repeated(tokens, t)
		if held(slots, label.Version) && !again {
			continue
		}
		if !again && t.Active && overlap > 0 && t.Created.Before(since) && now.Before(since.Add(overlap)) {
			continue
		}
		age := max(now.Sub(t.Created), 0) // the registry's time is in whole seconds
		if young := orphanAge - age; young > 0 {
			r.report(StepTidied, fmt.Sprintf("a run made a token %s ago that nothing holds; waiting %s to be sure that it is over",
				age.Round(time.Second), young.Round(time.Second)))
			if err := r.wait(ctx, young); err != nil {
				return err
			}
			now = now.Add(young)
		}
		// Looked at once more: it may have been stored meanwhile.
		for _, s := range slots {
			if s.found, err = s.Store.Describe(ctx); err != nil {
				return err
			}
		}
		if held(slots, label.Version) && !again {
			continue
		}
		if err := req.Mint.Revoke(ctx, t.ID); err != nil {
			return err
		}
		r.report(StepTidied, "a token that an interrupted run had left was revoked")
	}
	return nil
}

// repeated reports whether the token was made although there was one for its version
// already. Whoever makes one looks afterwards, and gives up where it was not alone: so
// it is the first that may be stored.
func repeated(tokens []credential.ManagedToken, t credential.ManagedToken) bool {
	return slices.ContainsFunc(tokens, func(o credential.ManagedToken) bool {
		return o.Label == t.Label && o.Created.Before(t.Created)
	})
}

// madeAt is when a version was made: its id says so, or the token that it holds.
func madeAt(tokens []credential.ManagedToken, name credential.Name, id credential.VersionID) time.Time {
	if at := id.Time(); !at.IsZero() || id == "" {
		return at
	}
	if all := labelled(tokens, name, id); len(all) > 0 {
		return all[0].Created
	}
	return time.Time{}
}

// held reports whether any target has the version in a stage.
func held(slots []*slot, id credential.VersionID) bool {
	return slices.ContainsFunc(slots, func(s *slot) bool {
		return slices.ContainsFunc(s.found.Versions, func(v credential.Version) bool { return v.ID == id })
	})
}

func (r *Runner) wait(ctx context.Context, d time.Duration) error {
	if r.Wait != nil {
		return r.Wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// mint gives a token that this run or an interrupted one has made.
func (r *Runner) mint(ctx context.Context, req StoreRequest, slots []*slot, id credential.VersionID) (Candidate, *minted, error) {
	if found, ok := r.leftOver(ctx, req, slots); ok {
		return found, nil, nil
	}
	label := credential.NewLabel(req.Credential.Name, id, home(req.Credential, slots)).String()
	if err := r.clearEarlier(ctx, req, slots, label); err != nil {
		return Candidate{}, nil, err
	}
	m := &minted{by: r.Now().Add(stageLimit), label: label}
	t, token, err := req.Mint.Mint(ctx, credential.MintRequest{
		Label: m.label, Access: req.Credential.Access, Repositories: req.Credential.Repositories, Expires: req.Expires,
	})
	if err != nil {
		if credential.ReasonOf(err) == credential.MaybeMinted {
			r.revokeByLabel(ctx, req.Mint, m.label)
		}
		return Candidate{}, nil, err
	}
	m.id = t.ID
	if err := r.alone(ctx, req, m); err != nil {
		return Candidate{}, nil, err
	}
	login := credential.Login{Username: req.Mint.Account(), Token: token}
	return Candidate{Login: login, Kind: credential.Classify(req.Credential.Registry, login), Where: "the registry, which made it as " + m.label}, m, nil
}

// leftOver is what an interrupted run has staged and not promoted, when it is good.
func (r *Runner) leftOver(ctx context.Context, req StoreRequest, slots []*slot) (Candidate, bool) {
	for _, s := range slots {
		left := s.found.At(credential.Pending)
		if left == "" || left == s.found.At(credential.Current) || left != req.Version && (req.Version != "" || !left.IsOurs()) {
			continue
		}
		_, value, err := s.Store.Read(ctx, credential.Pending)
		if err != nil {
			continue
		}
		login, err := s.Target.Shape.Decode(value, req.Credential.Registry)
		if err != nil || r.Prover.Prove(ctx, req.Credential, login, req.AllowNew).Verdict != credential.Granted {
			continue
		}
		s.taken = left
		kind := credential.Classify(req.Credential.Registry, login)
		return Candidate{Login: login, Kind: kind, Where: "an interrupted run, which had stored it"}, true
	}
	return Candidate{}, false
}

// clearEarlier ends what an earlier try of a rotation that the store has begun made and
// did not get into it: the version's id is the same each time.
func (r *Runner) clearEarlier(ctx context.Context, req StoreRequest, slots []*slot, label string) error {
	if req.Version == "" {
		return nil
	}
	tokens, now, err := req.Mint.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.Label != label {
			continue
		}
		if young := orphanAge - max(now.Sub(t.Created), 0); young > 0 {
			if err := r.wait(ctx, young); err != nil {
				return err
			}
			now = now.Add(young)
		}
		for _, s := range slots {
			if err := stillEmpty(ctx, s, req.Version); err != nil {
				return err
			}
		}
		if err := req.Mint.Revoke(ctx, t.ID); err != nil {
			return err
		}
		r.report(StepTidied, "a token that an earlier try had left was revoked")
	}
	return nil
}

// stillEmpty makes sure that a version which the store has begun holds nothing, and that
// it did not get any further.
func stillEmpty(ctx context.Context, s *slot, id credential.VersionID) error {
	d, err := s.Store.Describe(ctx)
	if err != nil {
		return err
	}
	if d.At(credential.Current) == id || d.At(credential.Previous) == id {
		return atTheSameTime(s.Target, "another run has made the version current")
	}
	if d.At(credential.Pending) != id {
		return nil
	}
	_, _, err = s.Store.Read(ctx, credential.Pending)
	switch {
	case err == nil:
		return atTheSameTime(s.Target, "another run has stored a token meanwhile")
	case credential.ReasonOf(err) == credential.SecretEmpty:
		return nil
	}
	return err
}

// alone makes sure that nobody else has made a token for the same version, and ends the
// one that was made where somebody has.
func (r *Runner) alone(ctx context.Context, req StoreRequest, m *minted) error {
	if req.Version == "" {
		return nil
	}
	tokens, _, err := req.Mint.Tokens(ctx)
	if err != nil {
		r.giveUp(ctx, req, m, nil)
		return err
	}
	own := slices.IndexFunc(tokens, func(t credential.ManagedToken) bool { return t.ID == m.id })
	for _, t := range tokens {
		if t.Label == m.label && t.ID != m.id && (own < 0 || !t.Created.After(tokens[own].Created)) {
			r.giveUp(ctx, req, m, nil)
			return atTheSameTime(req.Places[0].Target, "it has made a token for the same version")
		}
	}
	return nil
}

// revokeByLabel ends what a lost answer may have left. What it cannot do now, the
// next run does: the label says whose it was.
func (r *Runner) revokeByLabel(ctx context.Context, m Minter, label string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer stop()
	tokens, _, err := m.Tokens(ctx)
	if err != nil {
		return
	}
	for _, t := range tokens {
		if t.Label == label && m.Revoke(ctx, t.ID) == nil {
			r.report(StepTidied, "the token that Docker Hub may have made was there, and was revoked")
		}
	}
}

// stageInTime stages what was made for as long as no other run may take it for left
// over: a request that is still under way then must not take effect later.
func (r *Runner) stageInTime(ctx context.Context, s *slot, c credential.Credential, login credential.Login, id credential.VersionID, made *minted) error {
	if made == nil {
		return r.stage(ctx, s, c, login, id)
	}
	ctx, stop := context.WithTimeout(ctx, made.by.Sub(r.Now()))
	defer stop()
	return r.stage(ctx, s, c, login, id)
}

// giveUp ends a token that this run has made and not stored anywhere. One that is in a
// store stays there, in AWSPENDING: another run may have taken it over meanwhile, and
// the next one does; ending it now could end what that makes current.
func (r *Runner) giveUp(ctx context.Context, req StoreRequest, made *minted, slots []*slot) {
	if made == nil || slices.ContainsFunc(slots, func(s *slot) bool { return s.version != "" }) {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTime)
	defer stop()
	if req.Mint.Revoke(ctx, made.id) == nil {
		r.report(StepTidied, "the token that was made is revoked again")
	}
}

// freshWaits are the pauses after which a token that was just made is tried again:
// registries may need a moment to know it.
func freshWaits() []time.Duration {
	return []time.Duration{time.Second, 2 * time.Second, 4 * time.Second}
}

// proveFresh proves a login, with patience for one that was just made.
func (r *Runner) proveFresh(ctx context.Context, req StoreRequest, login credential.Login, made *minted) credential.Proof {
	p := r.Prover.Prove(ctx, req.Credential, login, req.AllowNew)
	if made == nil {
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
