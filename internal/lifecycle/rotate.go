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
	Undo   bool // of a rollback: make what it replaced current again
	Finish bool // renew nothing but what an interrupted run has begun
	// RetireNow ends the old token without waiting for the overlap, and although it
	// is still used.
	RetireNow bool
	// Listed gives the list of tokens that the run has got once for all credentials of the
	// account; nil asks Mint. Nothing is ended by it alone: that takes a list of the moment.
	Listed func(context.Context) (tokens []credential.ManagedToken, now time.Time, err error)
}

// RotateResult is what became of a rotation.
type RotateResult struct {
	Store   StoreResult // of the renewal; empty when none was due
	Caught  StoreResult // of places that lagged behind; empty when none did
	Due     bool
	Why     string                    // it was due, or when it will be
	Retired bool                      // the old token is dead, and that was proved
	Ending  Ending                    // how it was proved; "" where none was retired
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
// finished first. Where another run of purser gets ahead of it, it looks again what is
// left to do, which is nothing as a rule.
func (r *Runner) Rotate(ctx context.Context, req RotateRequest) (RotateResult, error) {
	slots, err := r.surveyAll(ctx, req.StoreRequest)
	if err != nil {
		return RotateResult{}, err
	}
	var ended []credential.ManagedToken
	for _, pause := range append(freshWaits(), 0) {
		res, err := r.rotate(ctx, req, slots)
		res.Ended = append(ended, res.Ended...)
		if err == nil {
			return res, nil
		}
		now := r.overtaken(ctx, req, slots, res, err)
		if now == nil || r.wait(ctx, pause) != nil {
			return res, err
		}
		if pause == 0 {
			return res, &credential.Fault{Reason: credential.Overtaken, Target: slots[0].Target, What: "other runs of purser got ahead of this one each time", Why: err.Error(), Err: err}
		}
		r.report(StepDue, "another run of purser is at it as well; looking again")
		if renewed(slots, now) {
			req.Force = false
			if err := r.withdraw(ctx, now, res.Store.version); err != nil {
				return res, err
			}
		}
		ended, slots = res.Ended, now
	}
	return RotateResult{}, nil // the last pause is none
}

// overtaken looks whether what stopped a run was another run of purser: what is current
// or pending is another version of purser's than before. It returns the places as they are
// now, nil where it was not: what somebody else does is an error.
func (r *Runner) overtaken(ctx context.Context, req RotateRequest, before []*slot, res RotateResult, cause error) []*slot {
	if req.DryRun || ctx.Err() != nil {
		return nil
	}
	now, err := r.again().surveyAll(ctx, req.StoreRequest)
	if err != nil {
		return nil
	}
	ahead := false
	for i, s := range now {
		for _, at := range []credential.Stage{credential.Current, credential.Pending} {
			id := s.found.At(at)
			if id == before[i].found.At(at) || id == "" {
				continue
			}
			if !id.IsOurs() {
				return nil
			}
			// Another run may have finished what this one had staged.
			ahead = ahead || id != res.Store.version || credential.ReasonOf(cause) == credential.MidRotation
		}
	}
	if !ahead {
		return nil
	}
	return now
}

// renewed reports whether another version is current than before.
func renewed(before, now []*slot) bool {
	for i := range now {
		if now[i].found.At(credential.Current) != before[i].found.At(credential.Current) {
			return true
		}
	}
	return false
}

// withdraw takes what this run has staged out of AWSPENDING, where another run has renewed
// the credential: a later run would take it for something to finish.
func (r *Runner) withdraw(ctx context.Context, slots []*slot, own credential.VersionID) error {
	for _, s := range slots {
		if own == "" || s.found.At(credential.Pending) != own || s.found.At(credential.Current) == own {
			continue
		}
		if err := s.Store.Unstage(ctx, own); err != nil {
			return err
		}
		var err error
		if s.found, err = s.Store.Describe(ctx); err != nil {
			return err
		}
	}
	return nil
}

// rotate is one try.
func (r *Runner) rotate(ctx context.Context, req RotateRequest, slots []*slot) (RotateResult, error) {
	var res RotateResult
	var err error
	quiet := r.again()
	if slots, err = quiet.catchUp(ctx, req, slots, &res); err != nil {
		return res, err
	}
	if err := r.dropSuperseded(ctx, req, slots); err != nil {
		return res, err
	}
	seen, err := req.seen(ctx)
	if err != nil {
		return res, err
	}
	broken, err := r.dueNow(ctx, req, slots, seen, &res)
	if err != nil {
		return res, err
	}
	r.report(StepDue, res.Why)
	// The old token is retired before another becomes the old one: afterwards its
	// version is in no stage, and who still uses it could not be told. Where what is
	// current does not work, the old one may be all that does.
	if !broken {
		if err := r.retire(ctx, req, slots, seen, &res); err != nil {
			return res, err
		}
	}
	if req.DryRun {
		return res, nil
	}
	if !res.Due {
		return res, r.sweepUp(ctx, req, slots, seen)
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
	if seen, err = req.seen(ctx); err != nil {
		return res, err
	}
	return res, r.retire(ctx, req, slots, seen, &res)
}

// dueNow says in the result whether to renew: by the schedule, or because what is current
// does not work.
func (r *Runner) dueNow(ctx context.Context, req RotateRequest, slots []*slot, seen listing, res *RotateResult) (broken bool, err error) {
	res.Due, res.Why = due(req, slots, r.Now())
	why, err := r.broken(ctx, req, slots, seen)
	switch {
	case req.Force:
		return why != nil, nil // it is renewed whatever it is
	case err != nil:
		return false, err
	case why == nil:
		return false, nil
	case req.Finish:
		return true, why
	}
	res.Due, res.Why = true, "now: "+why.Error()
	return true, nil
}

// catchUp brings places that an interrupted run has left behind to the token that is
// current in the newest one.
func (r *Runner) catchUp(ctx context.Context, req RotateRequest, slots []*slot, res *RotateResult) ([]*slot, error) {
	sources := own(slots, req.Credential)
	if len(sources) == 0 {
		return slots, nil
	}
	newest := sources[0]
	for _, s := range sources {
		if id := s.found.At(credential.Current); id != "" && id.Time().IsZero() {
			return slots, nil // it does not tell when it was made, so none is known to be newer
		}
		if s.found.At(credential.Current).Time().After(newest.found.At(credential.Current).Time()) {
			newest = s
		}
	}
	id := newest.found.At(credential.Current)
	behind := lagging(slots, id)
	if len(behind) == 0 || id.Time().IsZero() {
		return slots, nil
	}
	if req.DryRun {
		for _, s := range behind {
			r.report(StepStored, "nothing was changed; "+s.Target.String()+" would get the token of "+newest.Target.String()+", which it lags behind")
		}
		return slots, nil
	}
	login, err := newest.Target.Shape.Decode(newest.current, req.Credential.Registry)
	if err != nil {
		return nil, locate(err, newest.Target)
	}
	if why, err := r.proveCurrent(ctx, req, newest, login); why != nil || err != nil {
		return slots, err // what does not work is renewed, and not copied
	}
	req.Mint, req.AllowPassword = nil, true // it was allowed when it was stored
	req.Given = false                       // nobody gave it for a place that is new
	req.Find = func(context.Context) (Candidate, error) {
		return Candidate{Login: login, Kind: credential.Classify(req.Credential.Registry, login), Where: newest.Target.String() + ", which the other places lag behind"}, nil
	}
	if res.Caught, err = r.Store(ctx, req.StoreRequest); err != nil {
		return nil, err
	}
	return r.surveyAll(ctx, req.StoreRequest)
}

// sweepUp ends what interrupted runs have left at the registry, also when nothing is
// to be renewed.
func (r *Runner) sweepUp(ctx context.Context, req RotateRequest, slots []*slot, seen listing) error {
	overlap := overlapOf(req.Credential)
	if req.RetireNow {
		overlap = 0
	}
	if !slices.ContainsFunc(seen.tokens, func(t credential.ManagedToken) bool { return seen.leftOver(t, req.StoreRequest, slots, overlap) }) {
		return nil
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
		return false, "no schedule: set rotate.every, or note when the token expires with --expires"
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
