package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
)

// RotateRequest says what to renew. Find or Mint gets the new token, as in a
// StoreRequest.
type RotateRequest struct {
	StoreRequest
	Force  bool // renew although it is not due
	Undo   bool // for Rollback: move forward again
	Finish bool // only finish what an interrupted run began
	// RetireNow ends the old token without waiting for the overlap, even if it is in use.
	RetireNow bool
	// Listed returns the token list that a command fetches once for all credentials of the
	// account; nil asks Mint. No token is revoked without a fresh list.
	Listed func(context.Context) (tokens []credential.ManagedToken, now time.Time, err error)
}

// RotateResult says what a rotation did.
type RotateResult struct {
	Store   StoreResult // of the renewal; empty when none was due
	Caught  StoreResult // of places that lagged behind; empty when none did
	Due     bool
	Why     string                    // why it was due, or when it will be
	Retired bool                      // the old token is proved dead
	Ending  Ending                    // how that was proved; "" when none was retired
	Bearers Bearers                   // what outlives it
	Ended   []credential.ManagedToken // the retired tokens
	Wait    time.Duration             // until the old token can be retired; 0: nothing waits
	Waiting string                    // what it waits for
}

const (
	// defaultOverlap outlasts any cache or job.
	defaultOverlap = 24 * time.Hour
	// expiryMargin is how long before its expiry a token is renewed, besides the overlap.
	expiryMargin = 48 * time.Hour
)

func overlapOf(c credential.Credential) time.Duration {
	if c.Rotate.Overlap > 0 {
		return c.Rotate.Overlap
	}
	return defaultOverlap
}

// Rotate renews a credential when it is due and retires the old token when its overlap is
// over. It finishes first what an earlier run left. If another run of purser gets ahead,
// it looks again at what is left to do; usually nothing is.
func (r *Runner) Rotate(ctx context.Context, req RotateRequest) (RotateResult, error) {
	slots, err := r.surveyAll(ctx, req.StoreRequest)
	if err != nil {
		return RotateResult{}, err
	}
	var ended []credential.ManagedToken
	for _, pause := range append(freshWaits, 0) {
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
		r.report(StepDue, "another run of purser is at work too; looking again")
		if renewed(slots, now) {
			req.Force = false
			if err := r.withdraw(ctx, now, res.Store.version); err != nil {
				return res, err
			}
		}
		ended, slots = res.Ended, now
	}
	return RotateResult{}, nil // unreachable: the last pause is 0
}

// overtaken checks whether another run of purser stopped this one: it made another version
// current or pending. If so, overtaken returns the places as they are now, else nil, since
// interference by others is an error.
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
			// Another run may have finished what this one staged.
			ahead = ahead || id != res.Store.version || credential.ReasonOf(cause) == credential.MidRotation
		}
	}
	if !ahead {
		return nil
	}
	return now
}

func renewed(before, now []*slot) bool {
	for i := range now {
		if now[i].found.At(credential.Current) != before[i].found.At(credential.Current) {
			return true
		}
	}
	return false
}

// withdraw takes this run's version out of AWSPENDING after another run renewed the
// credential: a later run would take it for something to finish.
func (r *Runner) withdraw(ctx context.Context, slots []*slot, own credential.VersionID) error {
	return unstage(ctx, slots, func(d credential.Description) bool {
		return own != "" && d.At(credential.Pending) == own && d.At(credential.Current) != own
	})
}

// unstage takes stale versions out of AWSPENDING.
func unstage(ctx context.Context, slots []*slot, stale func(credential.Description) bool) (err error) {
	for _, s := range slots {
		if !stale(s.found) {
			continue
		}
		if err := s.Store.Unstage(ctx, s.found.At(credential.Pending)); err != nil {
			return err
		}
		if s.found, err = s.Store.Describe(ctx); err != nil {
			return err
		}
	}
	return nil
}

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
	// Retire the old token before another becomes the old one: after that its version is in
	// no stage, and nothing shows who still uses it. If the current token does not work,
	// the old one may be the only one that does.
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

// dueNow records in the result whether to renew: by the schedule, or because the current
// token does not work.
func (r *Runner) dueNow(ctx context.Context, req RotateRequest, slots []*slot, seen listing, res *RotateResult) (broken bool, err error) {
	res.Due, res.Why = due(req, slots, r.Now())
	why, err := r.broken(ctx, req, slots, seen)
	switch {
	case req.Force:
		return why != nil, nil // Force renews a broken token too
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

// catchUp copies the newest place's current token to places that an interrupted run left
// behind.
func (r *Runner) catchUp(ctx context.Context, req RotateRequest, slots []*slot, res *RotateResult) ([]*slot, error) {
	sources := own(slots, req.Credential)
	if len(sources) == 0 {
		return slots, nil
	}
	newest := sources[0]
	for _, s := range sources {
		if id := s.found.At(credential.Current); id != "" && id.Time().IsZero() {
			return slots, nil // its age is unknown, so no place is known to be newest
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
		return slots, err // a broken token is renewed, not copied
	}
	req.Mint, req.AllowPassword = nil, true // allowed when it was stored
	req.Given = false                       // no person supplied it for a new place
	req.Find = func(context.Context) (Candidate, error) {
		return Candidate{Login: login, Kind: credential.Classify(req.Credential.Registry, login), Where: newest.Target.String() + ", which the other places lag behind"}, nil
	}
	if res.Caught, err = r.Store(ctx, req.StoreRequest); err != nil {
		return nil, err
	}
	return r.surveyAll(ctx, req.StoreRequest)
}

// sweepUp revokes what interrupted runs left at the registry, even when nothing is renewed.
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

// due returns whether to renew, and why or when.
func due(req RotateRequest, slots []*slot, now time.Time) (bool, string) {
	if req.Force {
		return true, "now, because you asked for it"
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
			return true, "an interrupted run left a token in " + s.Target.String()
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
		dates[since.Add(c.Rotate.Every)] = "it is renewed every " + span(c.Rotate.Every)
	}
	if !d.Expires.IsZero() {
		dates[d.Expires.Add(-overlapOf(c)-expiryMargin)] = "the token expires on " + d.Expires.UTC().Format(time.DateOnly)
	}
	return dates
}

// span returns a duration in words, to the minute and at least one.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch d = max(d.Round(time.Minute), time.Minute); {
	case d >= 2*day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d >= 2*time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return strings.TrimSuffix(d.String(), "0s")
}
