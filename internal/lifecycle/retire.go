package lifecycle

import (
	"context"
	"slices"
	"time"

	"purser/internal/credential"
)

// retire ends the token of AWSPREVIOUS, once its overlap is over and nobody uses it any
// more: switched off, ended, and proved dead. Only a token whose label is purser's is
// touched; of another one the person is told. seen is a list of this run, perhaps not of
// this moment.
func (r *Runner) retire(ctx context.Context, req RotateRequest, slots []*slot, seen listing, res *RotateResult) error {
	res.Wait, res.Waiting = 0, ""
	var done []credential.VersionID
	for _, s := range slots {
		current, previous := s.found.At(credential.Current), s.found.At(credential.Previous)
		if previous == "" || previous == current || req.DryRun || slices.Contains(done, previous) {
			continue
		}
		done = append(done, previous)
		if err := r.retireFrom(ctx, req, slots, s, seen, res); err != nil {
			return err
		}
	}
	return nil
}

// retireFrom ends the token of one place's AWSPREVIOUS.
func (r *Runner) retireFrom(ctx context.Context, req RotateRequest, slots []*slot, s *slot, seen listing, res *RotateResult) error {
	p := retirementOf(req, slots, s, seen)
	if p.ready() && req.Listed != nil {
		var err error
		if seen, err = listNow(ctx, req.Mint); err != nil { // what is ended goes by the list of this moment
			return err
		}
		p = retirementOf(req, slots, s, seen)
	}
	switch {
	case len(p.tokens) == 0:
		return r.retireByHand(ctx, req, s, p.since)
	case p.wait > 0:
		if p.wait > res.Wait {
			res.Wait, res.Waiting = p.wait, p.why
		}
		r.report(StepRetired, "not yet: "+p.why)
		return nil
	}
	if err := r.replacedWell(ctx, req, slots); err != nil {
		return err
	}
	for _, old := range p.tokens {
		if err := req.Mint.Activate(ctx, old.ID, false); err != nil && credential.ReasonOf(err) != credential.NoSuchToken {
			return err
		}
		if err := req.Mint.Revoke(ctx, old.ID); err != nil {
			return err
		}
		res.Ended = append(res.Ended, old)
	}
	ending, err := r.proveEnded(ctx, req.StoreRequest, s, credential.Previous, p.tokens)
	if err != nil {
		return err
	}
	if res.Retired = true; res.Ending != NotListed {
		res.Ending = ending
	}
	r.report(StepRetired, "the token before is revoked, and "+ending.text())
	return nil
}

// plannedRetirement is what is to be ended, and when.
type plannedRetirement struct {
	tokens []credential.ManagedToken // none: it is not purser's to end
	since  time.Time                 // when it was replaced
	wait   time.Duration
	why    string
}

func (p plannedRetirement) ready() bool { return len(p.tokens) > 0 && p.wait == 0 }

func retirementOf(req RotateRequest, slots []*slot, s *slot, seen listing) plannedRetirement {
	current, previous := s.found.At(credential.Current), s.found.At(credential.Previous)
	if req.Mint == nil {
		return plannedRetirement{since: current.Time()}
	}
	p := plannedRetirement{since: madeAt(seen.tokens, req.Credential.Name, current)}
	all := labelled(seen.tokens, req.Credential.Name, previous)
	if len(all) == 0 || p.since.IsZero() {
		return p
	}
	p.tokens = all
	p.wait, p.why = retirement(req, all[0], p.since, seen.now)
	if behind := holding(slots, previous); behind != nil && p.wait == 0 {
		p.wait, p.why = orphanAge, behind.Target.String()+" still gives it to its readers"
	}
	for _, s := range slots {
		if behind := s.found.Behind(); behind != nil && p.wait == 0 && !req.RetireNow {
			p.wait, p.why = orphanAge, "the copy of "+s.Target.String()+" in "+behind.Region+" may still give it to its readers"
		}
	}
	return p
}

// replacedWell makes sure that what readers get now works, before what it replaced is
// ended: that may be the last token that does.
func (r *Runner) replacedWell(ctx context.Context, req RotateRequest, slots []*slot) error {
	var proved []credential.Login
	for _, s := range slots {
		login, err := stored(ctx, req.StoreRequest, s, credential.Current)
		if err != nil {
			return err // the token before is left alive
		}
		if slices.ContainsFunc(proved, login.Equal) {
			continue
		}
		if p := r.Prover.Prove(ctx, req.Credential, login, true); p.Verdict != credential.Granted {
			return p.Fault
		}
		proved = append(proved, login)
	}
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
	login, err := stored(ctx, req.StoreRequest, s, credential.Previous)
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil, r.Now().Before(since.Add(overlapOf(req.Credential))) && !req.RetireNow:
		return nil //nolint:nilerr // what cannot be read is nobody's to end
	}
	if p, tried := r.tryDead(ctx, req.StoreRequest, s, login); tried && p.Verdict == credential.Granted {
		text := "not by purser: the token before was not made by it and still works; end it on the registry's page"
		if req.Mint == nil {
			text = "not without a session: the token before still works; end it on the registry's page, or run this with --mint"
		}
		r.report(StepRetired, text)
	}
	return nil
}

// stored is the login in a stage.
func stored(ctx context.Context, req StoreRequest, s *slot, at credential.Stage) (credential.Login, error) {
	_, value, err := s.Store.Read(ctx, at)
	if err != nil {
		return credential.Login{}, err
	}
	login, err := s.Target.Shape.Decode(value, req.Credential.Registry)
	return login, locate(err, s.Target)
}

// loginAt is the login in a stage, where there is one.
func (r *Runner) loginAt(ctx context.Context, req StoreRequest, s *slot, at credential.Stage) (credential.Login, bool) {
	login, err := stored(ctx, req, s, at)
	return login, err == nil
}

// Ending says how it is known that a token is dead.
type Ending string

const (
	// Refused means that the registry was asked with the token and refused it.
	Refused Ending = "refused"
	// NotListed means that the token is not in the registry's list, or inactive there. It was
	// not tried: each token that is refused brings the account nearer to being locked.
	NotListed Ending = "not-listed"
)

// text says it to people, after "the token is revoked, and".
func (e Ending) text() string {
	if e == NotListed {
		return "the registry no longer lists it; it was not tried, to keep the account from being locked"
	}
	return "the registry refuses it"
}

// proveEnded proves that the token in a stage, which was just revoked, is dead.
func (r *Runner) proveEnded(ctx context.Context, req StoreRequest, s *slot, at credential.Stage, ended []credential.ManagedToken) (Ending, error) {
	login, ok := r.loginAt(ctx, req, s, at)
	if !ok {
		return r.proveUnlisted(ctx, req, s, ended)
	}
	return r.proveDead(ctx, req, s, login, ended)
}

// proveDead asks the registry until it refuses the old token: what was revoked may be
// known to it for a moment more. Where the account has had enough refused logins, the
// registry's list is the proof.
func (r *Runner) proveDead(ctx context.Context, req StoreRequest, s *slot, login credential.Login, ended []credential.ManagedToken) (Ending, error) {
	var p credential.Proof
	for _, pause := range append([]time.Duration{0}, freshWaits()...) {
		if pause > 0 && r.wait(ctx, pause) != nil {
			break
		}
		var tried bool
		if p, tried = r.tryDead(ctx, req, s, login); !tried {
			return r.proveUnlisted(ctx, req, s, ended)
		}
		if isDead(p) {
			return Refused, nil
		}
	}
	if p.Verdict == credential.Granted || p.Fault == nil {
		return "", notDead(req, s, "the token was revoked and the registry still takes it", "it may be known there for some minutes more")
	}
	return "", notDead(req, s, "the token was revoked, and it could not be seen that it is dead", p.Fault.Error())
}

// tryDead shows the registry a token that should be dead, as often as its account allows.
func (r *Runner) tryDead(ctx context.Context, req StoreRequest, s *slot, login credential.Login) (p credential.Proof, tried bool) {
	good := func() {
		if current, ok := r.loginAt(ctx, req, s, credential.Current); ok {
			r.Prover.Prove(ctx, req.Credential, current, true)
		}
	}
	return r.Tries.dead(req.Credential, login.Username, good, func() credential.Proof {
		return r.Prover.Prove(ctx, req.Credential, login, true)
	})
}

// proveUnlisted looks for ended tokens in the registry's list.
func (r *Runner) proveUnlisted(ctx context.Context, req StoreRequest, s *slot, ended []credential.ManagedToken) (Ending, error) {
	if req.Mint == nil {
		return "", notDead(req, s, "it could not be seen that the token is dead", "it was not tried, to keep the account from being locked, and nobody is signed in who could list the account's tokens")
	}
	for _, pause := range append([]time.Duration{0}, freshWaits()...) {
		if pause > 0 && r.wait(ctx, pause) != nil {
			break
		}
		l, err := listNow(ctx, req.Mint)
		if err != nil {
			return "", err
		}
		if !slices.ContainsFunc(l.tokens, func(t credential.ManagedToken) bool {
			return t.Active && slices.ContainsFunc(ended, func(e credential.ManagedToken) bool { return e.ID == t.ID })
		}) {
			return NotListed, nil
		}
	}
	return "", notDead(req, s, "the token was revoked and the registry still lists it", "it may be known there for some minutes more")
}

func notDead(req StoreRequest, s *slot, what, why string) error {
	return &credential.Fault{Reason: credential.NotDead, Registry: req.Credential.Registry, Target: s.Target, What: what, Why: why}
}
