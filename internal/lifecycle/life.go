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
	// longestLife is the longest that registries accept.
	longestLife = 365 * 24 * time.Hour
	// sameEnd is the rounding that purser accepts from a registry.
	sameEnd = time.Minute
)

// Life returns how long a new token of a credential should work: its schedule, the overlap
// after that, and a margin. It returns 0 for no end if purser.yaml has no schedule, because
// nothing would renew the token in time.
func Life(c credential.Credential) time.Duration {
	if c.Rotate.Every == 0 {
		return 0
	}
	return min(c.Rotate.Every+overlapOf(c)+lifeMargin, longestLife)
}

// end returns the expiry to ask the registry for; zero: none. If the store starts rotations, it
// has the schedule, and purser.yaml does not.
func (w *storing) end() time.Time {
	life := Life(w.Credential)
	if !w.Expires.IsZero() || life == 0 || w.Version != "" {
		return w.Expires
	}
	return w.Now().Add(life)
}

// ends tells when a token that purser makes expires.
func (w *storing) ends(at time.Time) string {
	switch {
	case !at.IsZero():
		return "good until " + at.UTC().Format(time.DateOnly)
	case w.Version != "":
		return "without expiry, because the store schedules rotations"
	case w.Credential.Rotate.Every == 0:
		return "without expiry, because purser.yaml has no rotate.every"
	}
	return "without expiry"
}

// heed adopts the expiry that the registry chose, and reports if purser requested another.
func (w *storing) heed(asked, got time.Time) {
	w.unasked = w.Expires.IsZero()
	w.Expires = got
	switch {
	case asked.Equal(got) || !asked.IsZero() && !got.IsZero() && asked.Sub(got).Abs() <= sameEnd:
	case got.IsZero():
		w.report(StepNoted, "the registry gave the token no expiry; purser asked for "+asked.UTC().Format(time.DateOnly))
	case asked.IsZero():
		w.report(StepNoted, "the token expires on "+got.UTC().Format(time.DateOnly)+"; purser asked for no expiry")
	default:
		w.report(StepNoted, "the token expires on "+got.UTC().Format(time.DateOnly)+"; purser asked for "+asked.UTC().Format(time.DateOnly))
	}
}

// noteEnd notes a token's expiry in its place. It does not fail for an expiry that the
// registry chose, because the registry knows it.
func (w *storing) noteEnd(ctx context.Context, s *slot) error {
	if w.Expires.IsZero() {
		return nil
	}
	err := s.Store.SetExpiry(ctx, s.version, w.Expires)
	if err != nil && w.unasked {
		w.report(StepNoted, "purser could not note the token's expiry in "+s.Target.String()+": "+err.Error())
		return nil
	}
	return err
}
