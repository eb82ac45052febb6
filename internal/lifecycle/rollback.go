package lifecycle

import (
	"context"
	"slices"

	"purser/internal/credential"
)

// Rollback restores the previous version if its token works, switching that on first if
// purser made it. It leaves places alone that are rolled back already; with req.Undo, it
// moves only those forward again.
func (r *Runner) Rollback(ctx context.Context, req RotateRequest) (StoreResult, error) {
	res := StoreResult{Name: req.Credential.Name}
	slots, err := r.surveyAll(ctx, req.StoreRequest)
	if err != nil {
		return res, err
	}
	todo := slices.DeleteFunc(slots, func(s *slot) bool { return isBack(s) != req.Undo })
	for _, s := range todo {
		previous := s.found.At(credential.Previous)
		if previous == "" || previous == s.found.At(credential.Current) {
			return res, &credential.Fault{Reason: credential.SecretEmpty, Target: s.Target, What: s.Target.String() + " has no previous version to go back to"}
		}
		login, err := stored(ctx, req.StoreRequest, s, credential.Previous)
		if err != nil {
			return res, err
		}
		p, err := r.revive(ctx, req, login, previous)
		if err != nil {
			return res, err
		}
		if p.Verdict != credential.Granted {
			return res, p.Fault
		}
		res.Proof = p
		r.reportProof(req.Credential, p)
	}
	switch {
	case len(todo) == 0:
		r.report(StepStored, "nothing was changed; that version is current already")
		return res, nil
	case req.DryRun:
		r.report(StepStored, "nothing was changed; the previous version works and would become current")
		return res, nil
	}
	for _, s := range todo {
		if err := s.Store.Promote(ctx, s.found.At(credential.Previous), s.found.At(credential.Current)); err != nil {
			return res, err
		}
		res.Places = append(res.Places, PlaceResult{
			Target: s.Target, Outcome: OutcomeStored, Version: s.found.At(credential.Previous), Replaced: s.found.At(credential.Current), Stages: []credential.Stage{credential.Current},
		})
		r.report(StepStored, "version "+short(s.found.At(credential.Previous))+" is AWSCURRENT again in "+s.Target.String())
	}
	return res, nil
}

// isBack reports whether a place is rolled back: its current version is older than its
// previous one. Rerunning a rollback that was cut short, or whose answer was lost, must not
// undo it.
func isBack(s *slot) bool {
	current, previous := s.found.At(credential.Current).Time(), s.found.At(credential.Previous).Time()
	return !current.IsZero() && !previous.IsZero() && current.Before(previous)
}

// revive proves a former login, after switching its token on if necessary.
func (r *Runner) revive(ctx context.Context, req RotateRequest, login credential.Login, id credential.VersionID) (credential.Proof, error) {
	p := r.Prover.Prove(ctx, req.Credential, login, req.AllowNew)
	if p.Verdict != credential.Refused || req.Mint == nil || req.DryRun {
		return p, nil
	}
	tokens, _, err := req.Mint.Tokens(ctx)
	if err != nil {
		return p, err
	}
	all := labelled(tokens, req.Credential.Name, id)
	if len(all) == 0 || all[0].Active {
		return p, nil
	}
	if err := req.Mint.Activate(ctx, all[0].ID, true); err != nil {
		return p, err
	}
	r.report(StepTidied, "the previous token was switched off; purser switched it on again")
	return r.proveFresh(ctx, req.StoreRequest, login, true), nil
}

// RevokeResult says what was revoked.
type RevokeResult struct {
	Ended   []credential.ManagedToken
	Bearers Bearers // what outlives them
}

// Revoke revokes the token of a stage and proves that it is dead. It finds only tokens that
// purser made.
func (r *Runner) Revoke(ctx context.Context, req RotateRequest, at credential.Stage) (res RevokeResult, err error) {
	slots, err := r.surveyAll(ctx, req.StoreRequest)
	if err != nil {
		return res, err
	}
	id := slots[0].found.At(at)
	tokens, _, err := req.Mint.Tokens(ctx)
	if err != nil {
		return res, err
	}
	all := labelled(tokens, req.Credential.Name, id)
	if id == "" || len(all) == 0 {
		res.Bearers, err = r.nothingToRevoke(ctx, req, slots[0], at)
		return res, err
	}
	login, unread := stored(ctx, req.StoreRequest, slots[0], at)
	bearers := r.watch(ctx, req.Credential, login, issuesNone(all, unread))
	for _, t := range all {
		if err := req.Mint.Revoke(ctx, t.ID); err != nil {
			return res, err
		}
	}
	res = RevokeResult{all, bearers}
	r.tokenEnded(ctx, &res.Bearers)
	ending, err := r.proveEnded(ctx, req.StoreRequest, slots[0], login, unread, all)
	if err != nil {
		return res, err
	}
	r.report(StepRetired, "the token of "+string(at)+" is revoked, and "+ending.text())
	return res, r.tokenDead(ctx, req.StoreRequest, replacing(slots[0], at), &res.Bearers)
}

// nothingToRevoke handles a version that no token's label names: the token is dead already,
// which is what was wanted, or purser did not make it, or there is none.
func (r *Runner) nothingToRevoke(ctx context.Context, req RotateRequest, s *slot, at credential.Stage) (b Bearers, err error) {
	login, err := stored(ctx, req.StoreRequest, s, at)
	if err != nil {
		return b, err
	}
	p := r.Prover.Prove(ctx, req.Credential, login, true)
	if p.Fault != nil && (p.Fault.Reason == credential.TokenRefused || p.Fault.Reason == credential.TokenExpired) {
		r.report(StepRetired, "the registry already refuses the token of "+string(at))
		b.Unasked = endedBefore
		return b, r.tokenDead(ctx, req.StoreRequest, replacing(s, at), &b)
	}
	return b, &credential.Fault{
		Reason: credential.NoSuchToken, Registry: req.Credential.Registry, Account: req.Mint.Account(), Target: s.Target,
		What: "no token of the account has the label of the version in " + string(at), Why: "purser did not make it",
	}
}

// replacing returns the place, whose current token replaced the one of a stage, or nil if
// that is the current one.
func replacing(s *slot, at credential.Stage) *slot {
	if at == credential.Current {
		return nil
	}
	return s
}
