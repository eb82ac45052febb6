package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"purser/internal/credential"
)

// listing is an account's token list with the registry's time.
type listing struct {
	tokens []credential.ManagedToken
	now    time.Time
}

func listNow(ctx context.Context, m Minter) (l listing, err error) {
	l.tokens, l.now, err = m.Tokens(ctx)
	return l, err
}

// seen returns this run's token list; it is empty without a minter and in a dry run, which
// must not make anybody sign in.
func (req RotateRequest) seen(ctx context.Context) (l listing, err error) {
	switch {
	case req.Mint == nil || req.DryRun:
		return l, nil
	case req.Listed == nil:
		return listNow(ctx, req.Mint)
	}
	l.tokens, l.now, err = req.Listed(ctx)
	return l, err
}

// leftOver reports whether purser made the token for this credential and place and no
// target holds it. A token replaced before AWSPREVIOUS keeps its overlap, counted from
// when the current version was made, unless it is switched off or overlap is 0.
func (l listing) leftOver(t credential.ManagedToken, req StoreRequest, slots []*slot, overlap time.Duration) bool {
	label, ok := credential.ParseLabel(t.Label)
	if !ok || label.Name != req.Credential.Name || !label.MadeFor(home(req.Credential, slots)) {
		return false
	}
	if repeated(l.tokens, t) {
		return true
	}
	since := madeAt(l.tokens, req.Credential.Name, slots[0].found.At(credential.Current))
	inOverlap := t.Active && overlap > 0 && t.Created.Before(since) && l.now.Before(since.Add(overlap))
	return !held(slots, label.Version) && !inOverlap
}

func (r *Runner) sweep(ctx context.Context, req StoreRequest, slots []*slot, overlap time.Duration) error {
	l, err := listNow(ctx, req.Mint)
	if err != nil {
		return err
	}
	now := l.now
	for _, t := range l.tokens {
		if !l.leftOver(t, req, slots, overlap) {
			continue
		}
		label, _ := credential.ParseLabel(t.Label)
		again := repeated(l.tokens, t)
		age := max(now.Sub(t.Created), 0) // the registry's time has whole seconds
		left := r.Leases != nil && !again && r.Leases.Abandoned(label.Version)
		if young := orphanAge - age; young > 0 && !left {
			r.report(StepTidied, fmt.Sprintf("a run made a token %s ago and has not stored it; waiting %s, since it may still be at work",
				age.Round(time.Second), young.Round(time.Second)))
			waited, over, err := r.outwait(ctx, young, slots, label.Version, again)
			if err != nil {
				return err
			}
			now, left = now.Add(waited), over
		} else if err := lookAgain(ctx, slots); err != nil { // a run may have stored it meanwhile
			return err
		}
		if held(slots, label.Version) && !again {
			continue
		}
		if err := req.Mint.Revoke(ctx, t.ID); err != nil {
			return err
		}
		if left {
			r.Leases.Forget(label.Version)
		}
		r.report(StepTidied, "purser revoked a token that an interrupted run left")
	}
	return nil
}

// longestLook bounds the pause between two looks at the store.
const longestLook = 8 * time.Second

// outwait waits for a run that may still be at work, until it has stored its token, is
// known to be over, or the limit is reached. For a repeated token (again), only the time
// counts. It returns how long it waited and whether the run is over.
func (r *Runner) outwait(ctx context.Context, limit time.Duration, slots []*slot, id credential.VersionID, again bool) (waited time.Duration, over bool, err error) {
	for pause := time.Second; waited < limit; pause = min(2*pause, longestLook) {
		pause = min(pause, limit-waited)
		if err := r.wait(ctx, pause); err != nil {
			return waited, false, err
		}
		waited += pause
		if err := lookAgain(ctx, slots); err != nil {
			return waited, false, err
		}
		switch {
		case again:
		case held(slots, id):
			return waited, false, nil
		case r.Leases != nil && r.Leases.Abandoned(id):
			return waited, true, nil
		}
	}
	return waited, false, nil
}

func lookAgain(ctx context.Context, slots []*slot) (err error) {
	for _, s := range slots {
		if s.found, err = s.Store.Describe(ctx); err != nil {
			return err
		}
	}
	return nil
}

// repeated reports whether the token was made although its version already had one. Every
// run checks that after minting and gives up if so, hence only the first may be stored.
func repeated(tokens []credential.ManagedToken, t credential.ManagedToken) bool {
	return slices.ContainsFunc(tokens, func(o credential.ManagedToken) bool {
		return o.Label == t.Label && o.Created.Before(t.Created)
	})
}

// madeAt returns when a version was made, according to its id or its token.
func madeAt(tokens []credential.ManagedToken, name credential.Name, id credential.VersionID) time.Time {
	if at := id.Time(); !at.IsZero() || id == "" {
		return at
	}
	if all := labelled(tokens, name, id); len(all) > 0 {
		return all[0].Created
	}
	return time.Time{}
}

func held(slots []*slot, id credential.VersionID) bool {
	return slices.ContainsFunc(slots, func(s *slot) bool {
		return slices.ContainsFunc(s.found.Versions, func(v credential.Version) bool { return v.ID == id })
	})
}

// superseded reports whether the pending version is older than the current one: the run
// that staged it was overtaken and will not promote it.
func superseded(d credential.Description) bool {
	pending, current := d.At(credential.Pending), d.At(credential.Current)
	return pending != current && !pending.Time().IsZero() && pending.Time().Before(current.Time())
}

// dropSuperseded takes superseded versions out of AWSPENDING; the sweep revokes their
// tokens.
func (r *Runner) dropSuperseded(ctx context.Context, req RotateRequest, slots []*slot) error {
	if req.DryRun {
		return nil
	}
	return unstage(ctx, slots, superseded)
}
