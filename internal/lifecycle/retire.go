package lifecycle

import (
	"context"
	"slices"
	"time"

	"purser/internal/credential"
)

// retire ends the token of AWSPREVIOUS, once its overlap is over and nobody uses it any
// more: switched off, ended, and proved dead. Only a token whose label is purser's is
// touched; of another one the person is told.
func (r *Runner) retire(ctx context.Context, req RotateRequest, slots []*slot, res *RotateResult) error {
	res.Wait, res.Waiting = 0, ""
	var done []credential.VersionID
	for _, s := range slots {
		current, previous := s.found.At(credential.Current), s.found.At(credential.Previous)
		if previous == "" || previous == current || req.DryRun || slices.Contains(done, previous) {
			continue
		}
		done = append(done, previous)
		if err := r.retireFrom(ctx, req, slots, s, res); err != nil {
			return err
		}
	}
	return nil
}

// retireFrom ends the token of one place's AWSPREVIOUS.
func (r *Runner) retireFrom(ctx context.Context, req RotateRequest, slots []*slot, s *slot, res *RotateResult) error {
	current, previous := s.found.At(credential.Current), s.found.At(credential.Previous)
	if req.Mint == nil {
		return r.retireByHand(ctx, req, s, current.Time())
	}
	tokens, now, err := req.Mint.Tokens(ctx)
	if err != nil {
		return err
	}
	since := madeAt(tokens, req.Credential.Name, current)
	all := labelled(tokens, req.Credential.Name, previous)
	if len(all) == 0 || since.IsZero() {
		return r.retireByHand(ctx, req, s, since)
	}
	wait, why := retirement(req, all[0], since, now)
	if behind := holding(slots, previous); behind != nil && wait == 0 {
		wait, why = orphanAge, behind.Target.String()+" still gives it to its readers"
	}
	for _, s := range slots {
		if behind := s.found.Behind(); behind != nil && wait == 0 && !req.RetireNow {
			wait, why = orphanAge, "the copy of "+s.Target.String()+" in "+behind.Region+" may still give it to its readers"
		}
	}
	if wait > 0 {
		if wait > res.Wait {
			res.Wait, res.Waiting = wait, why
		}
		r.report(StepRetired, "not yet: "+why)
		return nil
	}
	for _, old := range all {
		if err := req.Mint.Activate(ctx, old.ID, false); err != nil && credential.ReasonOf(err) != credential.NoSuchToken {
			return err
		}
		if err := req.Mint.Revoke(ctx, old.ID); err != nil {
			return err
		}
		res.Ended = append(res.Ended, old)
	}
	if login, ok := r.held(ctx, req, s, credential.Previous); ok {
		if err := r.proveDead(ctx, req, s, login); err != nil {
			return err
		}
	}
	res.Retired = true
	r.report(StepRetired, "the token before is revoked, and the registry refuses it")
	return nil
}

// labelled are the tokens that were made for a version: one, where nothing went wrong.
func labelled(tokens []credential.ManagedToken, name credential.Name, id credential.VersionID) []credential.ManagedToken {
	var all []credential.ManagedToken
	for _, t := range tokens {
		if l, ok := credential.ParseLabel(t.Label); ok && l.Name == name && l.Version == id {
			all = append(all, t)
		}
	}
	return all
}

// holding is a place where a version is still what readers get, or is about to be.
func holding(slots []*slot, id credential.VersionID) *slot {
	for _, s := range slots {
		if s.found.At(credential.Current) == id || s.found.At(credential.Pending) == id {
			return s
		}
	}
	return nil
}

// quietShare is the part of the overlap for which a token has to be unused before it is
// retired.
const quietShare = 4

// retirement is how long the old token has to live on, and why.
func retirement(req RotateRequest, old credential.ManagedToken, since, now time.Time) (time.Duration, string) {
	overlap := overlapOf(req.Credential)
	if req.RetireNow {
		return 0, ""
	}
	if left := since.Add(overlap).Sub(now); left > 0 {
		return left, "the token before lives " + left.Round(time.Minute).String() + " more, beside the new one"
	}
	if left := old.LastUsed.Add(overlap / quietShare).Sub(now); !old.LastUsed.IsZero() && left > 0 {
		return left, "the token before was used " + now.Sub(old.LastUsed).Round(time.Minute).String() + " ago; somebody still has it"
	}
	return 0, ""
}

// retireByHand is for a token that purser did not make: it says what to do, until the
// registry refuses it.
func (r *Runner) retireByHand(ctx context.Context, req RotateRequest, s *slot, since time.Time) error {
	if since.IsZero() {
		return nil // somebody else made what is current: what it replaced is theirs
	}
	login, ok := r.held(ctx, req, s, credential.Previous)
	if !ok || r.Now().Before(since.Add(overlapOf(req.Credential))) && !req.RetireNow {
		return nil
	}
	if r.Prover.Prove(ctx, req.Credential, login, true).Verdict == credential.Granted {
		text := "not by purser: the token before was not made by it and still works; end it on the registry's page"
		if req.Mint == nil {
			text = "not without a session: the token before still works; end it on the registry's page, or run this with --mint"
		}
		r.report(StepRetired, text)
	}
	return nil
}

// stored is the login in a stage.
func stored(ctx context.Context, req RotateRequest, s *slot, at credential.Stage) (credential.Login, error) {
	_, value, err := s.Store.Read(ctx, at)
	if err != nil {
		return credential.Login{}, err
	}
	login, err := s.Target.Shape.Decode(value, req.Credential.Registry)
	return login, locate(err, s.Target)
}

// held is the login in a stage, where there is one.
func (r *Runner) held(ctx context.Context, req RotateRequest, s *slot, at credential.Stage) (credential.Login, bool) {
	login, err := stored(ctx, req, s, at)
	return login, err == nil
}

// proveDead asks the registry until it refuses the old token: what was revoked may be
// known to it for a moment more.
func (r *Runner) proveDead(ctx context.Context, req RotateRequest, s *slot, login credential.Login) error {
	var p credential.Proof
	for _, pause := range append([]time.Duration{0}, freshWaits()...) {
		if pause > 0 && r.wait(ctx, pause) != nil {
			break
		}
		if p = r.Prover.Prove(ctx, req.Credential, login, true); p.Verdict == credential.Refused {
			return nil
		}
	}
	f := &credential.Fault{
		Reason: credential.NotDead, Registry: req.Credential.Registry, Target: s.Target, What: "the token was revoked and the registry still takes it",
		Why: "it may be known there for some minutes more",
	}
	if p.Verdict == credential.Unknown && p.Fault != nil {
		f.What, f.Why = "the token was revoked, and it could not be seen that it is dead", p.Fault.Error()
	}
	return f
}
