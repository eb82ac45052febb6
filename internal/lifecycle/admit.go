package lifecycle

import (
	"context"
	"slices"

	"purser/internal/credential"
)

// NewPlace is a place that is about to get a credential's token for the first time, or to
// change its registry.
type NewPlace struct {
	Credential credential.Credential
	Target     credential.Target
	Mark       credential.Mark // the place's present mark; zero: none
	Foreign    string          // the place's AWS account when it is not the caller's
}

// admitAll checks, before it asks for or makes a token, that each place may get it. The
// mark in the store decides. An unmarked place is new: a person who supplies the token for
// this command sees where it goes; otherwise a person has to agree, or the configuration
// has to be trusted. Another registry's place changes hands only if a person asked for
// that. A place in somebody else's account cannot vouch for itself. A way to the registry
// that only the credential names needs a person even in a dry run, since the proof sends
// the token there.
func (r *Runner) admitAll(ctx context.Context, req StoreRequest, slots []*slot) error {
	var ask []NewPlace
	wants := credential.MarkOf(req.Credential)
	for _, s := range slots {
		has, usual := s.found.Mark, s.found.Mark.Vouches(wants.Via)
		moves := !has.IsZero() && has.Registry != wants.Registry
		switch {
		case usual && has.Is(wants) && s.found.Foreign == "", usual && !moves && (req.DryRun || r.Trusted || req.Given):
		case moves && !req.Rebind:
			return &credential.Fault{
				Reason: credential.BelongsElsewhere, Target: s.Target, Registry: wants.Registry, Credential: wants.Name,
				What: s.Target.String() + " belongs to " + string(has.Registry) + ", not to " + string(wants.Registry),
				Why:  "a token for that registry was stored there before; nothing was changed",
			}
		case !req.DryRun || !usual:
			ask = append(ask, NewPlace{req.Credential, s.Target, has, s.found.Foreign})
		}
	}
	switch {
	case len(ask) == 0:
		return nil
	case r.Agree == nil:
		return &credential.Fault{
			Reason: credential.ConsentNeeded, Target: ask[0].Target, Registry: wants.Registry, Credential: wants.Name,
			What: ask[0].Target.String() + " is a new place for the token of " + string(wants.Name), Why: "only a person can decide where a token goes",
		}
	}
	return r.Agree(ctx, ask)
}

// bind marks a place for the credential before the version goes in, so that purser never
// stores an unmarked value. If this identity may not write tags, a trusted configuration
// is enough.
func (r *Runner) bind(ctx context.Context, s *slot, c credential.Credential, id credential.VersionID) error {
	has, mark := s.found.Mark, credential.MarkOf(c)
	if has.Is(mark) && has.Vouches(mark.Via) {
		return nil
	}
	mark.Since = has.Since
	if mark.Via == "" && has.Registry == mark.Registry {
		mark.Via = has.Via
	}
	if has.Registry != mark.Registry && s.found.At(credential.Current) != "" && !r.Trusted {
		mark.Since = id // the registry of earlier values is unknown
	}
	err := s.Store.Bind(ctx, mark)
	if r.Trusted && credential.ReasonOf(err) == credential.AccessDenied {
		r.report(StepNoted, "purser could not mark "+s.Target.String()+" as "+string(mark.Registry)+"'s; it relies on the trusted configuration instead")
		return nil
	}
	if err == nil {
		s.found.Mark = mark
	}
	return err
}

// own returns the places marked as the credential's or, if there are none, the unmarked
// ones. A token from another credential's or account's place must not be copied.
func own(slots []*slot, c credential.Credential) []*slot {
	for _, mark := range []credential.Mark{credential.MarkOf(c), {}} {
		if all := slices.DeleteFunc(slices.Clone(slots), func(s *slot) bool { return !s.found.Mark.Is(mark) || s.found.Foreign != "" }); len(all) > 0 {
			return all
		}
	}
	return nil
}

// lagging returns the places where the version is neither current nor previous: an
// interrupted run left them behind, or they are new.
func lagging(slots []*slot, id credential.VersionID) []*slot {
	return slices.DeleteFunc(slices.Clone(slots), func(s *slot) bool {
		return s.found.At(credential.Current) == id || s.found.At(credential.Previous) == id
	})
}
