package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"purser/internal/credential"
)

// verify reads the current value as a consumer would.
func (r *Runner) verify(ctx context.Context, s *slot, c credential.Credential, login credential.Login) (PlaceResult, error) {
	res := PlaceResult{Target: s.Target, Outcome: OutcomeStored, Version: s.version, Keys: s.Target.Shape.Keys()}
	if s.same {
		res.Outcome = OutcomeUnchanged
		r.report(StepStored, s.Target.String()+" already holds this token; nothing was written")
	}
	read, err := r.readBack(ctx, s, c, credential.Current)
	if err != nil {
		return res, err
	}
	if !s.same {
		res.Replaced = s.found.At(credential.Current)
	}
	if res, err = r.settled(ctx, s, res); err != nil {
		return res, err
	}
	res.Length, res.Identical = read.Token.Len(), read.Equal(login)
	if !res.Identical {
		return res, &credential.Fault{Reason: credential.ReadBackDiffers, Target: s.Target, What: s.Target.String() + " holds another login than purser sent"}
	}
	r.report(StepVerified, describeKeys(res))
	return res, nil
}

var replicaWaits = []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second}

// settled waits until a place's copies in other regions have the new version, and records
// the version's stages.
func (r *Runner) settled(ctx context.Context, s *slot, res PlaceResult) (PlaceResult, error) {
	for _, pause := range append(replicaWaits, 0) {
		d, err := s.Store.Describe(ctx)
		if err != nil {
			return res, err
		}
		for _, v := range d.Versions {
			if v.ID == s.version {
				res.Stages = v.Stages
			}
		}
		behind := d.Behind()
		switch {
		case behind == nil && len(d.Replicas) > 0 && !s.same:
			r.report(StepVerified, "copied to "+regions(d.Replicas))
			return res, nil
		case behind == nil || s.same:
			return res, nil
		case behind.Failed || pause == 0:
			return res, &credential.Fault{
				Reason: credential.ReplicaBehind, Target: s.Target, What: "the copy of " + s.Target.String() + " in " + behind.Region + " does not have the new token",
				Why: cmp.Or(behind.Why, "it is still being copied") + "; the secret itself and its other copies have it",
			}
		}
		if err := r.wait(ctx, pause); err != nil {
			return res, err
		}
	}
	return res, nil
}

func regions(replicas []credential.Replica) string {
	names := make([]string, len(replicas))
	for i, c := range replicas {
		names[i] = c.Region
	}
	return strings.Join(names, ", ")
}

func describeKeys(p PlaceResult) string {
	last := p.Keys[len(p.Keys)-1]
	text := fmt.Sprintf("%s: yes, %d characters, identical to what purser sent", last, p.Length)
	if len(p.Keys) == 2 {
		text = p.Keys[0] + ": yes · " + text
	}
	return text
}
