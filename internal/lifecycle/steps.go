package lifecycle

import (
	"context"
	"fmt"
	"time"

	"purser/internal/credential"
)

type slot struct {
	Place
	exists  bool
	found   credential.Description // when the run began
	current credential.Secret      // the value in AWSCURRENT; zero: none
	version credential.VersionID   // the version being stored
	value   credential.Secret      // its value
	same    bool                   // current already holds the login
	taken   credential.VersionID   // the interrupted run's version that this run finishes; "": none
}

// survey looks at a place before purser asks a person for anything. It finds what would
// stop the run later, while nothing has happened yet.
func (r *Runner) survey(ctx context.Context, p Place, req StoreRequest) (*slot, error) {
	s := &slot{Place: p}
	d, err := p.Store.Describe(ctx)
	switch {
	case err == nil:
		s.exists, s.found = true, d
	case credential.ReasonOf(err) == credential.SecretMissing && (req.Create || p.Target.Traits().Local):
		return s, nil
	default:
		return nil, err
	}
	if f := Deletion(p.Target, d); f != nil {
		return nil, f
	}
	if err := notMidRotation(p.Target, d, req.Version); err != nil {
		return nil, err
	}
	if d.Unfit != nil {
		return nil, d.Unfit
	}
	if d.At(credential.Current) == "" {
		return s, nil
	}
	if _, s.current, err = p.Store.Read(ctx, credential.Current); err != nil {
		return nil, err
	}
	if d.Mark.IsZero() || !d.Mark.Vouches(req.Credential.Via) { // a person may just have bound it
		if s.found, err = p.Store.Describe(ctx); err != nil {
			return nil, err
		}
	}
	// A dummy login shows whether the real one would fit in.
	_, err = p.Target.Shape.Encode(s.current, req.Credential.Registry, credential.Login{Username: "-", Token: credential.NewSecret("-")})
	return s, locate(err, p.Target)
}

// Deletion returns the fault of a place that is scheduled for deletion, else nil. AWS still
// describes such a secret and refuses everything else.
func Deletion(t credential.Target, d credential.Description) *credential.Fault {
	if d.Deleted.IsZero() {
		return nil
	}
	return &credential.Fault{
		Reason: credential.SecretDeleted, Target: t, What: "the secret " + t.String() + " is marked for deletion",
		Why: "since " + d.Deleted.Format(time.DateOnly),
	}
}

// Misplaced returns the fault of a place whose current value is marked as another
// registry's, else nil.
func Misplaced(t credential.Target, d credential.Description, mine credential.Host) *credential.Fault {
	host := d.Mark.For(d.At(credential.Current), credential.Current)
	if host == "" || host == mine {
		return nil
	}
	return &credential.Fault{
		Reason: credential.BelongsElsewhere, Target: t, Registry: mine, What: t.String() + " belongs to " + string(host) + ", not to " + string(mine),
		Why: "a token for that registry was stored there",
	}
}

// notMidRotation refuses a target that somebody else is changing: AWSPENDING is on a
// version that is neither current, nor the one this run was called for, nor purser's.
// A pending version of purser's is an interrupted run's, which this run takes over.
func notMidRotation(t credential.Target, d credential.Description, begun credential.VersionID) error {
	pending := d.At(credential.Pending)
	if pending == "" || pending == d.At(credential.Current) || pending == begun || pending.IsOurs() {
		return nil
	}
	return &credential.Fault{
		Reason: credential.MidRotation, Target: t, What: "a rotation of " + t.String() + " is under way",
		Why: fmt.Sprintf("version %s is in AWSPENDING and purser did not put it there; storing now would break that rotation", pending),
	}
}

// stage puts the login beside the current value. It reuses a version that an interrupted
// run of purser left in AWSPENDING with the very same value.
func (w *storing) stage(ctx context.Context, s *slot) error {
	value, err := s.Target.Shape.Encode(s.current, w.Credential.Registry, w.login)
	if err != nil {
		return locate(err, s.Target)
	}
	s.value = value
	if !s.exists {
		if err := s.Store.Create(ctx); err != nil {
			return err
		}
	}
	if err := w.bind(ctx, s, w.Credential, w.id); err != nil {
		return err
	}
	if left := s.found.At(credential.Pending); left != "" && left != s.found.At(credential.Current) {
		at, value, err := s.Store.Read(ctx, credential.Pending)
		if err == nil && at == left && value.Equal(s.value) {
			s.version = left
			return nil
		}
		if err != nil && s.taken != "" {
			return err
		}
	}
	if s.taken != "" {
		// Under another version's id, the token's label would not match it.
		return atTheSameTime(s.Target, "the interrupted run's version is gone")
	}
	s.version = w.id // from here on it may be there, whatever the answer
	err = s.Store.Stage(ctx, w.id, s.value)
	if credential.Untouched(err) {
		s.version = "" // except this answer, which says that it is not
	}
	return err
}

// readWaits are the pauses between reads after a write: for a moment a read may return the
// state before the write.
var readWaits = []time.Duration{200 * time.Millisecond, 500 * time.Millisecond, time.Second}

// read reads a stage until it holds this run's version. Another version that stays there
// is somebody else's.
func (r *Runner) read(ctx context.Context, s *slot, at credential.Stage) (credential.Secret, error) {
	for _, pause := range append(readWaits, 0) {
		id, value, err := s.Store.Read(ctx, at)
		empty := credential.ReasonOf(err) == credential.SecretEmpty
		switch {
		case err != nil && !empty:
			return credential.Secret{}, err
		case id == s.version && !empty:
			return value, nil
		case pause > 0:
			if err := r.wait(ctx, pause); err != nil {
				return credential.Secret{}, err
			}
			continue
		case empty:
			return credential.Secret{}, atTheSameTime(s.Target, string(at)+" is empty again")
		}
		return credential.Secret{}, atTheSameTime(s.Target, fmt.Sprintf("%s is now on version %s", at, short(id)))
	}
	return credential.Secret{}, nil // unreachable: the last pause is 0
}

// readBack reads what was staged and compares it in constant time with what was sent. It
// returns the login as a consumer will read it.
func (r *Runner) readBack(ctx context.Context, s *slot, c credential.Credential, at credential.Stage) (credential.Login, error) {
	value, err := r.read(ctx, s, at)
	if err != nil {
		return credential.Login{}, err
	}
	if !value.Equal(s.value) {
		return credential.Login{}, &credential.Fault{
			Reason: credential.ReadBackDiffers, Target: s.Target, What: s.Target.String() + " returned something other than what purser stored",
			Why: fmt.Sprintf("%d characters were sent and %d came back", s.value.Len(), value.Len()),
		}
	}
	l, err := s.Target.Shape.Decode(value, c.Registry)
	return l, locate(err, s.Target)
}

func atTheSameTime(t credential.Target, why string) error {
	return &credential.Fault{Reason: credential.MidRotation, Target: t, What: "somebody else is storing to " + t.String() + " at the same time", Why: why}
}

// promote makes the version current if the current version is still the one that the run
// saw when it began.
func (r *Runner) promote(ctx context.Context, s *slot) error {
	from := s.found.At(credential.Current)
	if from == "" {
		from = s.version // the store makes a first version current
	}
	return s.Store.Promote(ctx, s.version, from)
}

func locate(err error, t credential.Target) error {
	if f, ok := err.(*credential.Fault); ok && f.Target.String() == "" { //nolint:errorlint // only the shape's own fault, not a wrapped one
		f.Target = t
		f.Why = t.String() + ": " + f.Why
	}
	return err
}

func short(id credential.VersionID) string {
	const enough = 8 + len("purser-")
	if len(id) > enough {
		return string(id[:enough]) + "…"
	}
	return string(id)
}
