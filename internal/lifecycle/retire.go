package lifecycle

import (
	"context"
	"slices"
	"time"

	"purser/internal/credential"
)

// retire ends the token of AWSPREVIOUS once its overlap is over and it is no longer used:
// it switches the token off, revokes it and proves it dead. It touches only tokens that
// carry purser's label, and tells the person about others. seen is this run's token list,
// perhaps not a fresh one.
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

func (r *Runner) retireFrom(ctx context.Context, req RotateRequest, slots []*slot, s *slot, seen listing, res *RotateResult) error {
	p := retirementOf(req, slots, s, seen)
	if p.ready() && req.Listed != nil {
		var err error
		if seen, err = listNow(ctx, req.Mint); err != nil { // revoke only by a fresh list
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
	login, unread := stored(ctx, req.StoreRequest, s, credential.Previous)
	bearers, _ := r.takeBearer(ctx, req.Credential, login, issuesNone(p.tokens, unread))
	for _, old := range p.tokens {
		if err := req.Mint.Activate(ctx, old.ID, false); err != nil && credential.ReasonOf(err) != credential.NoSuchToken {
			return err
		}
		if err := req.Mint.Revoke(ctx, old.ID); err != nil {
			return err
		}
		res.Ended = append(res.Ended, old)
	}
	r.tokenEnded(ctx, &bearers)
	ending, err := r.proveEnded(ctx, req.StoreRequest, s, login, unread, p.tokens)
	if err != nil {
		return err
	}
	if res.Retired = true; res.Ending != NotListed {
		res.Ending = ending
	}
	r.report(StepRetired, "the old token is revoked, and "+ending.text())
	err = r.tokenDead(ctx, req.StoreRequest, s, &bearers)
	res.Bearers = bearers
	return err
}

// issuesNone says why a token that is about to end issues no bearers; "" if it does.
func issuesNone(tokens []credential.ManagedToken, unread error) string {
	switch {
	case unread != nil:
		return unread.Error()
	case !slices.ContainsFunc(tokens, func(t credential.ManagedToken) bool { return t.Active }):
		return endedBefore
	}
	return ""
}

// plannedRetirement says which tokens to end, and when.
type plannedRetirement struct {
	tokens []credential.ManagedToken // empty: purser did not make it
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

// replacedWell checks that the current token works before its predecessor ends, which may
// be the last one that does.
func (r *Runner) replacedWell(ctx context.Context, req RotateRequest, slots []*slot) error {
	var proved []credential.Login
	for _, s := range slots {
		login, err := stored(ctx, req.StoreRequest, s, credential.Current)
		if err != nil {
			return err // the old token stays alive
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

// labelled returns the tokens made for a version: one, unless something went wrong.
func labelled(tokens []credential.ManagedToken, name credential.Name, id credential.VersionID) []credential.ManagedToken {
	var all []credential.ManagedToken
	for _, t := range tokens {
		if l, ok := credential.ParseLabel(t.Label); ok && l.Name == name && l.Version == id {
			all = append(all, t)
		}
	}
	return all
}

// holding returns a place whose readers get a version, or are about to.
func holding(slots []*slot, id credential.VersionID) *slot {
	for _, s := range slots {
		if s.found.At(credential.Current) == id || s.found.At(credential.Pending) == id {
			return s
		}
	}
	return nil
}

// quietShare is the fraction of the overlap, 1/quietShare, for which a token must be unused
// before it is retired.
const quietShare = 4

func retirement(req RotateRequest, old credential.ManagedToken, since, now time.Time) (time.Duration, string) {
	overlap := overlapOf(req.Credential)
	if req.RetireNow {
		return 0, ""
	}
	if left := since.Add(overlap).Sub(now); left > 0 {
		return left, "the old token keeps working for " + span(left)
	}
	if left := old.LastUsed.Add(overlap / quietShare).Sub(now); !old.LastUsed.IsZero() && left > 0 {
		return left, "the old token was used " + span(now.Sub(old.LastUsed)) + " ago; somebody still has it"
	}
	return 0, ""
}

// retireByHand handles a token that purser did not make: it says what to do, until the
// registry refuses the token.
func (r *Runner) retireByHand(ctx context.Context, req RotateRequest, s *slot, since time.Time) error {
	if since.IsZero() {
		return nil // somebody else made the current token, so its predecessor is theirs too
	}
	login, err := stored(ctx, req.StoreRequest, s, credential.Previous)
	switch {
	case ctx.Err() != nil:
		return err
	case err != nil, r.Now().Before(since.Add(overlapOf(req.Credential))) && !req.RetireNow:
		return nil //nolint:nilerr // purser cannot end what it cannot read
	}
	if p, tried := r.tryDead(ctx, req.StoreRequest, s, login); tried && p.Verdict == credential.Granted {
		text := "purser did not make the old token, which still works; revoke it on the registry's page"
		if req.Mint == nil {
			text = "the old token still works; revoke it on the registry's page, or run this with --mint"
		}
		r.report(StepRetired, text)
	}
	return nil
}

func stored(ctx context.Context, req StoreRequest, s *slot, at credential.Stage) (credential.Login, error) {
	_, value, err := s.Store.Read(ctx, at)
	if err != nil {
		return credential.Login{}, err
	}
	login, err := s.Target.Shape.Decode(value, req.Credential.Registry)
	return login, locate(err, s.Target)
}

// Ending says how purser knows that a token is dead.
type Ending string

const (
	// Refused means that the registry refused the token.
	Refused Ending = "refused"
	// NotListed means that the registry's list lacks the token, or has it inactive. purser
	// did not try it: each refused login brings the account closer to being locked.
	NotListed Ending = "not-listed"
)

// text completes "the token is revoked, and".
func (e Ending) text() string {
	if e == NotListed {
		return "the registry no longer lists it; purser did not try it, to keep the account from being locked"
	}
	return "the registry refuses it"
}

// proveEnded proves that tokens are dead, with the login of one of them unless purser could
// not read that.
func (r *Runner) proveEnded(ctx context.Context, req StoreRequest, s *slot, login credential.Login, unread error, ended []credential.ManagedToken) (Ending, error) {
	if unread != nil {
		return r.proveUnlisted(ctx, req, s, ended)
	}
	return r.proveDead(ctx, req, s, login, ended)
}

// proveDead tries the old token until the registry refuses it, which may take a moment
// after the revocation. If the account has had enough refused logins, the registry's list
// is the proof.
func (r *Runner) proveDead(ctx context.Context, req StoreRequest, s *slot, login credential.Login, ended []credential.ManagedToken) (Ending, error) {
	var p credential.Proof
	for _, pause := range append([]time.Duration{0}, freshWaits...) {
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
		return "", notDead(req, s, "the token is revoked, but the registry still accepts it", "the registry may need some minutes")
	}
	return "", notDead(req, s, "the token is revoked, but purser could not prove that it is dead", p.Fault.Error())
}

// tryDead shows the registry a token that should be dead, if the account's limit allows.
func (r *Runner) tryDead(ctx context.Context, req StoreRequest, s *slot, login credential.Login) (p credential.Proof, tried bool) {
	good := func() {
		if current, err := stored(ctx, req, s, credential.Current); err == nil {
			r.Prover.Prove(ctx, req.Credential, current, true)
		}
	}
	return r.Tries.dead(req.Credential, login.Username, good, func() credential.Proof {
		return r.Prover.Prove(ctx, req.Credential, login, true)
	})
}

// proveUnlisted checks that the registry's list lacks the ended tokens.
func (r *Runner) proveUnlisted(ctx context.Context, req StoreRequest, s *slot, ended []credential.ManagedToken) (Ending, error) {
	if req.Mint == nil {
		return "", notDead(req, s, "purser could not prove that the token is dead", "it did not try the token, to keep the account from being locked, and has no session to list the account's tokens")
	}
	for _, pause := range append([]time.Duration{0}, freshWaits...) {
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
	return "", notDead(req, s, "the token is revoked, but the registry still lists it", "the registry may need some minutes")
}

func notDead(req StoreRequest, s *slot, what, why string) error {
	return &credential.Fault{Reason: credential.NotDead, Registry: req.Credential.Registry, Target: s.Target, What: what, Why: why}
}
