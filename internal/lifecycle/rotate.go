package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"purser/internal/credential"
)

// RotateRequest says what to renew. Find or Mint gets the new token, as in a
// StoreRequest.
type RotateRequest struct {
	StoreRequest
	Force  bool // renew although it is not due
	Finish bool // renew nothing but what an interrupted run has begun
	// RetireNow ends the old token without waiting for the overlap, and although it
	// is still used.
	RetireNow bool
}

// RotateResult is what became of a rotation.
type RotateResult struct {
	Store   StoreResult // of the renewal; empty when none was due
	Due     bool
	Why     string                    // it was due, or when it will be
	Retired bool                      // the old token is dead, and that was proved
	Ended   []credential.ManagedToken // those that were retired
	Wait    time.Duration             // until the old token can be retired; 0 when nothing waits
	Waiting string                    // for what
}

const (
	// defaultOverlap is for how long the old token lives beside the new one where
	// nothing says it: longer than any cache or job.
	defaultOverlap = 24 * time.Hour
	// expiryMargin is how long before its end a token is renewed, besides the overlap.
	expiryMargin = 48 * time.Hour
)

func overlapOf(c credential.Credential) time.Duration {
	if c.Rotate.Overlap > 0 {
		return c.Rotate.Overlap
	}
	return defaultOverlap
}

// Rotate renews a credential when it is due, and retires the token before when its
// overlap is over. A run does whatever there is to do: what an earlier one has left is
// finished first.
func (r *Runner) Rotate(ctx context.Context, req RotateRequest) (RotateResult, error) {
	var res RotateResult
	slots, err := r.surveyAll(ctx, req.StoreRequest)
	if err != nil {
		return res, err
	}
	quiet := r.again()
	if slots, err = quiet.catchUp(ctx, req, slots); err != nil {
		return res, err
	}
	res.Due, res.Why = due(req, slots, r.Now())
	r.report(StepDue, res.Why)
	// The old token is retired before another becomes the old one: afterwards its
	// version is in no stage, and who still uses it could not be told.
	if err := r.retire(ctx, req, slots, &res); err != nil {
		return res, err
	}
	if req.DryRun {
		return res, nil
	}
	if !res.Due {
		return res, r.sweepUp(ctx, req, slots)
	}
	if res.Wait > 0 && !req.Force {
		return res, nil
	}
	if res.Store, err = quiet.Store(ctx, req.StoreRequest); err != nil {
		return res, err
	}
	if slots, err = quiet.surveyAll(ctx, req.StoreRequest); err != nil {
		return res, err
	}
	return res, r.retire(ctx, req, slots, &res)
}

// catchUp brings places that an interrupted run has left behind to the token that is
// current in the newest one.
func (r *Runner) catchUp(ctx context.Context, req RotateRequest, slots []*slot) ([]*slot, error) {
	newest := slots[0]
	for _, s := range slots {
		if s.found.At(credential.Current).Time().After(newest.found.At(credential.Current).Time()) {
			newest = s
		}
	}
	id := newest.found.At(credential.Current)
	behind := slices.ContainsFunc(slots, func(s *slot) bool {
		return s.found.At(credential.Current) != id && s.found.At(credential.Previous) != id
	})
	if !behind || id.Time().IsZero() || req.DryRun {
		return slots, nil
	}
	login, err := newest.Target.Shape.Decode(newest.current, req.Credential.Registry)
	if err != nil {
		return nil, locate(err, newest.Target)
	}
	req.Mint, req.AllowPassword = nil, true // it was allowed when it was stored
	req.Find = func(context.Context) (Candidate, error) {
		return Candidate{Login: login, Kind: credential.Classify(req.Credential.Registry, login), Where: newest.Target.String() + ", which the other places lag behind"}, nil
	}
	if _, err := r.Store(ctx, req.StoreRequest); err != nil {
		return nil, err
	}
	return r.surveyAll(ctx, req.StoreRequest)
}

// sweepUp ends what interrupted runs have left at the registry, also when nothing is
// to be renewed.
func (r *Runner) sweepUp(ctx context.Context, req RotateRequest, slots []*slot) error {
	if req.Mint == nil {
		return nil
	}
	overlap := overlapOf(req.Credential)
	if req.RetireNow {
		overlap = 0
	}
	return r.sweep(ctx, req.StoreRequest, slots, overlap)
}

// due says whether to renew, and why or when.
func due(req RotateRequest, slots []*slot, now time.Time) (bool, string) {
	if req.Force {
		return true, "renewed because it was asked for"
	}
	c := req.Credential
	var next time.Time
	reason := ""
	for _, s := range slots {
		left := s.found.At(credential.Pending)
		switch {
		case s.found.At(credential.Current) == "" && !req.Finish:
			return true, s.Target.String() + " has no token yet"
		case left != "" && left != s.found.At(credential.Current) && left.IsOurs():
			return true, "an interrupted run has left a token in " + s.Target.String()
		}
		for at, why := range dueDates(c, s.found) {
			if next.IsZero() || at.Before(next) {
				next, reason = at, why
			}
		}
	}
	switch {
	case req.Finish:
		return false, "when the store begins a rotation"
	case next.IsZero():
		return false, "never by itself: purser.yaml has no rotate.every, and no end of the token is known"
	case !now.Before(next):
		return true, "since " + next.UTC().Format(time.DateOnly) + ": " + reason
	}
	return false, "on " + next.UTC().Format(time.DateOnly) + ": " + reason
}

func dueDates(c credential.Credential, d credential.Description) map[time.Time]string {
	dates := map[time.Time]string{}
	if since, _ := d.CurrentSince(); c.Rotate.Every > 0 && !since.IsZero() {
		dates[since.Add(c.Rotate.Every)] = "it is renewed every " + days(c.Rotate.Every)
	}
	if !d.Expires.IsZero() {
		dates[d.Expires.Add(-overlapOf(c)-expiryMargin)] = "the token ends on " + d.Expires.UTC().Format(time.DateOnly)
	}
	return dates
}

func days(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 {
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

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

// held is the login in a stage.
func (r *Runner) held(ctx context.Context, req RotateRequest, s *slot, at credential.Stage) (credential.Login, bool) {
	_, value, err := s.Store.Read(ctx, at)
	if err != nil {
		return credential.Login{}, false
	}
	login, err := s.Target.Shape.Decode(value, req.Credential.Registry)
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

// Rollback makes the version before current again, when its token still works. A token
// of purser's that was switched off is switched on.
func (r *Runner) Rollback(ctx context.Context, req RotateRequest) (StoreResult, error) {
	res := StoreResult{Name: req.Credential.Name}
	slots, err := r.surveyAll(ctx, req.StoreRequest)
	if err != nil {
		return res, err
	}
	for _, s := range slots {
		previous := s.found.At(credential.Previous)
		if previous == "" || previous == s.found.At(credential.Current) {
			return res, &credential.Fault{Reason: credential.SecretEmpty, Target: s.Target, What: "there is no version to go back to in " + s.Target.String()}
		}
		login, ok := r.held(ctx, req, s, credential.Previous)
		if !ok {
			return res, &credential.Fault{Reason: credential.ValueStrange, Target: s.Target, What: "the version before in " + s.Target.String() + " holds no login that can be read"}
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
	if req.DryRun {
		r.report(StepStored, "nothing was changed; the version before works and would become current")
		return res, nil
	}
	for _, s := range slots {
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

// revive proves a former login, switching its token on first where that is what it takes.
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
	r.report(StepTidied, "the token before was switched off, and is on again")
	return r.proveFresh(ctx, req.StoreRequest, login, &minted{}), nil
}

// Revoke ends the token of a stage now, and proves that it is dead. Only one that purser
// made can be found.
func (r *Runner) Revoke(ctx context.Context, req RotateRequest, at credential.Stage) ([]credential.ManagedToken, error) {
	slots, err := r.surveyAll(ctx, req.StoreRequest)
	if err != nil {
		return nil, err
	}
	id := slots[0].found.At(at)
	tokens, _, err := req.Mint.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	all := labelled(tokens, req.Credential.Name, id)
	if id == "" || len(all) == 0 {
		return nil, &credential.Fault{
			Reason: credential.NoSuchToken, Registry: req.Credential.Registry, Account: req.Mint.Account(), Target: slots[0].Target,
			What: "no token of the account has the label of the version in " + string(at), Why: "purser did not make it, or it is revoked already",
		}
	}
	for _, t := range all {
		if err := req.Mint.Revoke(ctx, t.ID); err != nil {
			return nil, err
		}
	}
	if login, ok := r.held(ctx, req, slots[0], at); ok {
		if err := r.proveDead(ctx, req, slots[0], login); err != nil {
			return all, err
		}
	}
	r.report(StepRetired, "the token of "+string(at)+" is revoked, and the registry refuses it")
	return all, nil
}
