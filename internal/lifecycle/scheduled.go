package lifecycle

import (
	"context"
	"slices"
	"time"

	"purser/internal/credential"
)

// Secrets Manager rotates on its own schedule: it chooses a version, puts AWSPENDING on
// it while it is still empty, and has the steps done one after the other, each as often
// as it takes (Secrets Manager User Guide, "Rotation function"). The steps are those of
// every other run; what is different is that StoreRequest.Version is given, and that
// each runs in a process of its own, which knows only what the store says. The first
// place of the request is the secret that is being rotated.

// StageScheduled is createSecret: the token is made, stored in every place under the
// version, read back and proved. Where that has been done, it is proved again.
func (r *Runner) StageScheduled(ctx context.Context, req StoreRequest) (StoreResult, error) {
	w := r.storing(req)
	slots, done, err := r.scheduled(ctx, req)
	if err != nil || done {
		return w.res, err
	}
	w.slots = slots
	if err := r.admitAll(ctx, req, slots); err != nil {
		return w.res, err
	}
	if err := r.sweep(ctx, req, slots, overlapOf(req.Credential)); err != nil {
		return w.res, err
	}
	if err := w.candidate(ctx); err != nil {
		return w.res, err
	}
	if err := w.stageAndProve(ctx, slots); err != nil {
		w.giveUp(ctx, slots)
		return w.res, err
	}
	r.report(StepStored, "version "+short(req.Version)+" is AWSPENDING")
	return w.res, nil
}

// ProveScheduled is testSecret: what is staged in every place is read as a consumer
// would and proved.
func (r *Runner) ProveScheduled(ctx context.Context, req StoreRequest) error {
	slots, done, err := r.scheduled(ctx, req)
	if err != nil || done {
		return err
	}
	_, err = r.proveStaged(ctx, req, slots)
	return err
}

// FinishScheduled is finishSecret: what is staged is proved once more and made current,
// in the secret that is being rotated last: as long as it is not, the store goes on.
func (r *Runner) FinishScheduled(ctx context.Context, req StoreRequest) (StoreResult, error) {
	res := StoreResult{Name: req.Credential.Name}
	slots, done, err := r.scheduled(ctx, req)
	if err != nil || done {
		return res, err
	}
	if res.Proof, err = r.proveStaged(ctx, req, slots); err != nil {
		return res, err
	}
	for i := len(slots) - 1; i >= 0; i-- {
		s := slots[i]
		s.version = req.Version
		if err := r.promote(ctx, s); err != nil {
			return res, partly(err, slots[i+1:])
		}
		r.report(StepStored, s.storedText())
		p, err := r.settled(ctx, s, PlaceResult{Target: s.Target, Outcome: OutcomeStored, Version: s.version, Keys: s.Target.Shape.Keys(), Replaced: s.found.At(credential.Current)})
		if err != nil {
			return res, err
		}
		res.Places = append(res.Places, p)
	}
	return res, nil
}

// AbandonScheduled ends a rotation that cannot be done here: it takes AWSPENDING off the
// version, so that the secret is not left in the middle of one, and a person's run is
// not taken for a disturbance. What the version may hold is ended by a later sweep.
func (r *Runner) AbandonScheduled(ctx context.Context, req StoreRequest) error {
	ctx, stop := cleanUp(ctx)
	defer stop()
	for _, p := range req.Places {
		if err := p.Store.Unstage(ctx, req.Version); err != nil {
			return err
		}
	}
	return nil
}

// scheduled looks at the places of a rotation that the store has begun. It is done when
// the version is current, and over when it is not in AWSPENDING any more.
func (r *Runner) scheduled(ctx context.Context, req StoreRequest) (slots []*slot, done bool, err error) {
	if slots, err = r.surveyAll(ctx, req); err != nil {
		return nil, false, err
	}
	first := slots[0]
	over := func(why string) error {
		return &credential.Fault{Reason: credential.MidRotation, Target: first.Target, What: "the rotation of " + first.Target.String() + " is not under way", Why: why}
	}
	switch {
	case !first.found.Rotating:
		return nil, false, over("rotation is not enabled for the secret")
	case first.found.At(credential.Current) == req.Version:
		return slots, true, nil
	case first.found.At(credential.Pending) != req.Version:
		return nil, false, over("version " + short(req.Version) + " is not in AWSPENDING; somebody has cancelled it, or put another version there")
	}
	return slots, false, nil
}

// proveStaged proves what every place has in AWSPENDING. It has to be the same login.
func (r *Runner) proveStaged(ctx context.Context, req StoreRequest, slots []*slot) (credential.Proof, error) {
	var proof credential.Proof
	var first credential.Login
	for i, s := range slots {
		if s.found.At(credential.Current) == req.Version {
			continue // it was proved when it was made current
		}
		id, value, err := s.Store.Read(ctx, credential.Pending)
		if err != nil {
			return proof, err
		}
		if id != req.Version {
			return proof, atTheSameTime(s.Target, "AWSPENDING is now on version "+short(id))
		}
		login, err := s.Target.Shape.Decode(value, req.Credential.Registry)
		if err != nil {
			return proof, locate(err, s.Target)
		}
		if i > 0 && login.Equal(first) {
			continue
		}
		if proof = r.Prover.Prove(ctx, req.Credential, login, req.AllowNew); proof.Verdict != credential.Granted {
			return proof, proof.Fault
		}
		if first = login; i > 0 {
			return proof, atTheSameTime(s.Target, "it holds another token than "+slots[0].Target.String())
		}
		r.reportProof(req.Credential, proof)
	}
	return proof, nil
}

// clearEarlier ends what an earlier try of a rotation that the store has begun made and
// did not get into it: the version's id is the same each time.
func (w *storing) clearEarlier(ctx context.Context, label string) error {
	if w.Version == "" {
		return nil
	}
	tokens, now, err := w.Mint.Tokens(ctx)
	if err != nil {
		return err
	}
	for _, t := range tokens {
		if t.Label != label {
			continue
		}
		if young := orphanAge - max(now.Sub(t.Created), 0); young > 0 {
			w.report(StepTidied, "an earlier try made a token for this version; waiting "+young.Round(time.Second).String()+", since it may still be at work")
			if err := w.wait(ctx, young); err != nil {
				return err
			}
			now = now.Add(young)
		}
		for _, s := range w.slots {
			if err := stillEmpty(ctx, s, w.Version); err != nil {
				return err
			}
		}
		if err := w.Mint.Revoke(ctx, t.ID); err != nil {
			return err
		}
		w.report(StepTidied, "a token that an earlier try had left was revoked")
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
func (w *storing) alone(ctx context.Context) error {
	if w.Version == "" {
		return nil
	}
	m := w.made
	tokens, _, err := w.Mint.Tokens(ctx)
	if err != nil {
		w.giveUp(ctx, nil)
		return err
	}
	own := slices.IndexFunc(tokens, func(t credential.ManagedToken) bool { return t.ID == m.id })
	for _, t := range tokens {
		if t.Label == m.label && t.ID != m.id && (own < 0 || !t.Created.After(tokens[own].Created)) {
			w.giveUp(ctx, nil)
			return atTheSameTime(w.Places[0].Target, "it has made a token for the same version")
		}
	}
	return nil
}
