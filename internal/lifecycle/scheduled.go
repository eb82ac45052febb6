package lifecycle

import (
	"context"
	"slices"
	"time"

	"purser/internal/credential"
)

// Secrets Manager can rotate on its own schedule (User Guide, "Rotation function"). It chooses
// a version, labels it AWSPENDING while it is empty, and calls each step until it succeeds.
// The steps are those of every other run, with StoreRequest.Version set. Each runs in its own
// process and knows only what the store tells it. The request's first place is the rotating
// secret.

// StageScheduled is createSecret: it makes the token, stores it in every place under the
// version, reads it back and proves it. If that was done before, it only proves again.
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

// ProveScheduled is testSecret: it reads what is staged in every place as a consumer would,
// and proves it.
func (r *Runner) ProveScheduled(ctx context.Context, req StoreRequest) error {
	slots, done, err := r.scheduled(ctx, req)
	if err != nil || done {
		return err
	}
	_, err = r.proveStaged(ctx, req, slots)
	return err
}

// FinishScheduled is finishSecret: it proves once more what is staged and makes it current.
// The rotating secret comes last, because the store goes on until that is current.
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

// AbandonScheduled cancels a rotation that purser cannot do: it takes AWSPENDING off the
// version, so that the secret is not stuck in mid-rotation. A later sweep revokes the token
// that the version may hold.
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

// scheduled surveys the places of a rotation that the store began. done means that the
// version is current already; a version that is not in AWSPENDING any more is an error.
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
		return nil, false, over("version " + short(req.Version) + " is not in AWSPENDING; somebody cancelled it or put another version there")
	}
	return slots, false, nil
}

// proveStaged proves what every place has in AWSPENDING, which must be the same login.
func (r *Runner) proveStaged(ctx context.Context, req StoreRequest, slots []*slot) (credential.Proof, error) {
	var proof credential.Proof
	var first credential.Login
	for i, s := range slots {
		if s.found.At(credential.Current) == req.Version {
			continue // proved before it was made current
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

// clearEarlier revokes the token that an earlier attempt at the same version made but did
// not store.
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
		w.report(StepTidied, "purser revoked a token that an earlier try left")
	}
	return nil
}

// stillEmpty checks that the version which the store began has neither a value nor another
// stage.
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

// alone checks that nobody else made a token for the same version. If somebody did, it
// revokes this run's token.
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
			return atTheSameTime(w.Places[0].Target, "another run made a token for the same version")
		}
	}
	return nil
}
