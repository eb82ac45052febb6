package lifecycle

import (
	"context"
	"time"

	"purser/internal/credential"
)

const (
	// lifeMargin is how much longer a token lives than its schedule and its overlap need,
	// for renewals that come late.
	lifeMargin = 7 * 24 * time.Hour
	// longestLife is the most that registries take.
	longestLife = 365 * 24 * time.Hour
	// sameEnd is by how much a registry may round.
	sameEnd = time.Minute
)

// Life is how long a token lives that is made for a credential: until it is renewed, the
// overlap after that, and a margin. 0 where purser.yaml has no schedule: it has no end
// then, since nothing would renew it in time.
func Life(c credential.Credential) time.Duration {
	if c.Rotate.Every == 0 {
		return 0
	}
	return min(c.Rotate.Every+overlapOf(c)+lifeMargin, longestLife)
}

// end is when the token that is about to be made is to end; zero: never. Where the store
// begins the rotation it has the schedule, which purser.yaml does not know.
func (w *storing) end() time.Time {
	life := Life(w.Credential)
	if !w.Expires.IsZero() || life == 0 || w.Version != "" {
		return w.Expires
	}
	return w.Now().Add(life)
}

// ends says when a token that purser makes ends.
func (w *storing) ends(at time.Time) string {
	switch {
	case !at.IsZero():
		return "good until " + at.UTC().Format(time.DateOnly)
	case w.Version != "":
		return "without an expiry date: the store has the schedule"
	case w.Credential.Rotate.Every == 0:
		return "without an expiry date: purser.yaml has no rotate.every"
	}
	return "without an expiry date"
}

// heed takes over the expiry date that the registry set, and reports one that differs from
// what purser asked for.
func (w *storing) heed(asked, got time.Time) {
	w.unasked = w.Expires.IsZero()
	w.Expires = got
	switch {
	case asked.Equal(got) || !asked.IsZero() && !got.IsZero() && asked.Sub(got).Abs() <= sameEnd:
	case got.IsZero():
		w.report(StepNoted, "the registry set no expiry date; purser asked for "+asked.UTC().Format(time.DateOnly))
	case asked.IsZero():
		w.report(StepNoted, "the registry set an expiry date, "+got.UTC().Format(time.DateOnly)+"; purser asked for none")
	default:
		w.report(StepNoted, "the registry set the expiry date "+got.UTC().Format(time.DateOnly)+" instead of "+asked.UTC().Format(time.DateOnly))
	}
}

// noteEnd has the store remember when the token in a place ends. An end that nobody asked
// to have noted is worth no failure: the registry knows it.
func (w *storing) noteEnd(ctx context.Context, s *slot) error {
	if w.Expires.IsZero() {
		return nil
	}
	err := s.Store.SetExpiry(ctx, s.version, w.Expires)
	if err != nil && w.unasked {
		w.report(StepNoted, "purser could not note the expiry date in "+s.Target.String()+": "+err.Error())
		return nil
	}
	return err
}
