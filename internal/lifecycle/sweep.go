package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"time"

	"purser/internal/credential"
)

// sweep revokes tokens that purser made for this credential at this place and that no
// target holds. One that was current before the version before is left its overlap,
// from the moment in which what is current now was made; with none, it is not, nor
// where it is switched off.
func (r *Runner) sweep(ctx context.Context, req StoreRequest, slots []*slot, overlap time.Duration) error {
	tokens, now, err := req.Mint.Tokens(ctx)
	if err != nil {
		return err
	}
	place := home(req.Credential, slots)
	since := madeAt(tokens, req.Credential.Name, slots[0].found.At(credential.Current))
	for _, t := range tokens {
		label, ok := credential.ParseLabel(t.Label)
		if !ok || label.Name != req.Credential.Name || !label.MadeFor(place) {
			continue
		}
		again := repeated(tokens, t)
		if held(slots, label.Version) && !again {
			continue
		}
		if !again && t.Active && overlap > 0 && t.Created.Before(since) && now.Before(since.Add(overlap)) {
			continue
		}
		age := max(now.Sub(t.Created), 0) // the registry's time is in whole seconds
		if young := orphanAge - age; young > 0 {
			r.report(StepTidied, fmt.Sprintf("a run made a token %s ago that nothing holds; waiting %s to be sure that it is over",
				age.Round(time.Second), young.Round(time.Second)))
			if err := r.wait(ctx, young); err != nil {
				return err
			}
			now = now.Add(young)
		}
		// Looked at once more: it may have been stored meanwhile.
		for _, s := range slots {
			if s.found, err = s.Store.Describe(ctx); err != nil {
				return err
			}
		}
		if held(slots, label.Version) && !again {
			continue
		}
		if err := req.Mint.Revoke(ctx, t.ID); err != nil {
			return err
		}
		r.report(StepTidied, "a token that an interrupted run had left was revoked")
	}
	return nil
}

// repeated reports whether the token was made although there was one for its version
// already. Whoever makes one looks afterwards, and gives up where it was not alone: so
// it is the first that may be stored.
func repeated(tokens []credential.ManagedToken, t credential.ManagedToken) bool {
	return slices.ContainsFunc(tokens, func(o credential.ManagedToken) bool {
		return o.Label == t.Label && o.Created.Before(t.Created)
	})
}

// madeAt is when a version was made: its id says so, or the token that it holds.
func madeAt(tokens []credential.ManagedToken, name credential.Name, id credential.VersionID) time.Time {
	if at := id.Time(); !at.IsZero() || id == "" {
		return at
	}
	if all := labelled(tokens, name, id); len(all) > 0 {
		return all[0].Created
	}
	return time.Time{}
}

// held reports whether any target has the version in a stage.
func held(slots []*slot, id credential.VersionID) bool {
	return slices.ContainsFunc(slots, func(s *slot) bool {
		return slices.ContainsFunc(s.found.Versions, func(v credential.Version) bool { return v.ID == id })
	})
}
