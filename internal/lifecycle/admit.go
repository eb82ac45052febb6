package lifecycle

import (
	"context"
	"slices"

	"purser/internal/credential"
)

// NewPlace is a place that is about to get a credential's token for the first time, or
// that is about to change its registry.
type NewPlace struct {
	Credential credential.Credential
	Target     credential.Target
	Mark       credential.Mark // what the place is marked with now; zero: nothing
	Foreign    string          // the AWS account that it is in, when that is not the caller's
}

// admitAll makes sure, before a token is asked for or made, that each place may get
// it. The mark in the store itself says so. A place without one is new: a person who
// gives the token for this very command sees where it goes; otherwise a person has to
// agree, or the configuration is trusted. Another registry's place changes hands only
// when a person asked for that. A place in somebody else's account does not speak for
// itself, and a way to the registry that only the credential names is shown to a person
// even when nothing is stored, since the token is sent to be proved.
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

// bind marks a place for the credential before the version goes in, so that no value of
// purser's is ever there unmarked. Where a trusted configuration decides and this identity
// may not write tags, the configuration is enough.
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
		mark.Since = id // what was stored before is not known to be this registry's
	}
	err := s.Store.Bind(ctx, mark)
	if r.Trusted && credential.ReasonOf(err) == credential.AccessDenied {
		r.report(StepNoted, s.Target.String()+" could not be marked as "+string(mark.Registry)+"'s; the trusted configuration says it instead")
		return nil
	}
	if err == nil {
		s.found.Mark = mark
	}
	return err
}

// own are the places that are marked as the credential's or, where none is, those that
// are not marked at all. What another credential, or another account, keeps is no source
// for this one.
func own(slots []*slot, c credential.Credential) []*slot {
	for _, mark := range []credential.Mark{credential.MarkOf(c), {}} {
		if all := slices.DeleteFunc(slices.Clone(slots), func(s *slot) bool { return !s.found.Mark.Is(mark) || s.found.Foreign != "" }); len(all) > 0 {
			return all
		}
	}
	return nil
}

// lagging are the places that have neither now nor had before what is current in
// another one: an interrupted run has left them behind, or they are new.
func lagging(slots []*slot, id credential.VersionID) []*slot {
	return slices.DeleteFunc(slices.Clone(slots), func(s *slot) bool {
		return s.found.At(credential.Current) == id || s.found.At(credential.Previous) == id
	})
}
