package lifecycle

import (
	"context"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
)

// broken returns why the current token does not work; nil if it does. A schedule cannot
// know that somebody deleted the token at the registry or put a value by hand. If the
// registry lists a token for the version, purser trusts the list and does not try it.
func (r *Runner) broken(ctx context.Context, req RotateRequest, slots []*slot, seen listing) (why *credential.Fault, err error) {
	var proved []credential.Login
	for _, s := range slots {
		id := s.found.At(credential.Current)
		if id == "" || seen.lists(req.Credential.Name, id, r.Now()) {
			continue
		}
		login, err := s.Target.Shape.Decode(s.current, req.Credential.Registry)
		if err != nil {
			return nil, locate(err, s.Target)
		}
		if slices.ContainsFunc(proved, login.Equal) {
			continue
		}
		if why, err = r.proveCurrent(ctx, req, s, login); why != nil || err != nil {
			return why, err
		}
		proved = append(proved, login)
	}
	return nil, nil
}

func (l listing) lists(name credential.Name, id credential.VersionID, now time.Time) bool {
	return slices.ContainsFunc(labelled(l.tokens, name, id), func(t credential.ManagedToken) bool {
		return t.Active && (t.Expires.IsZero() || now.Before(t.Expires))
	})
}

// proveCurrent returns why the login does not work if a new token would fix it. Any other
// failure is an error.
func (r *Runner) proveCurrent(ctx context.Context, req RotateRequest, s *slot, login credential.Login) (why *credential.Fault, err error) {
	f := &credential.Fault{Reason: credential.TokenRefused, Target: s.Target, What: "the token in " + s.Target.String() + " does not work"}
	if user := req.Credential.Username; user != "" && !strings.EqualFold(user, login.Username) {
		f.Reason, f.Why = credential.WrongOwner, "it belongs to another account than "+user
		return f, nil
	}
	p, tried := r.Tries.suspect(req.Credential, login.Username, func() credential.Proof {
		return r.Prover.Prove(ctx, req.Credential, login, req.AllowNew)
	})
	switch {
	case !tried && req.Mint != nil && s.found.At(credential.Current).IsOurs():
		f.Why = "the registry lists no token for it; purser did not try it, to keep the account from being locked"
		return f, nil
	case !tried:
		return nil, &credential.Fault{
			Reason: credential.RateLimited, Target: s.Target, Account: login.Username, What: "purser could not check whether the token in " + s.Target.String() + " works",
			Why: "purser did not try it, to keep the account from being locked: the registry already refused other tokens of the account",
		}
	case p.Verdict == credential.Granted:
		return nil, nil
	case isDead(p), p.Verdict == credential.Refused && (p.Fault.Reason == credential.WrongOwner || p.Fault.Reason == credential.LevelTooLow):
		f.Reason, f.Why = p.Fault.Reason, p.Fault.Error()
		return f, nil
	}
	return nil, p.Fault
}
