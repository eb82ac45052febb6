package lifecycle

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"purser/internal/credential"
)

// RespondRequest names the credential whose token may have leaked. Find or Mint gets the
// new one, as in a StoreRequest.
type RespondRequest struct {
	StoreRequest
	// Ready is called once the run knows which token may have leaked, before it changes
	// anything: it asks a person, and fills in where the new token comes from. nil: the
	// request is complete.
	Ready func(ctx context.Context, s Suspect, req *RespondRequest) error
	// ByHand asks a person to switch the token off where purser cannot, and returns when
	// the person says that it is done.
	ByHand func(ctx context.Context) error
}

// Suspect is the token that may have leaked, as far as purser knows it without a session at
// its registry.
type Suspect struct {
	Version credential.VersionID // that holds it
	Since   time.Time            // when that version was made, or was changed last
	Label   string               // what the registry lists it as, if purser made it; "" where it cannot have
	Account string               // whose it is; "" where nobody says it
	Proof   credential.Proof     // what the registry calls it, and whether it still works
}

// Facts describes the token for people.
func (s Suspect) Facts() []string {
	text := "the token of " + cmp.Or(s.Account, "an unnamed account")
	if !s.Since.IsZero() {
		text += ", stored " + s.Since.UTC().Format("2006-01-02 15:04 UTC")
	}
	facts := []string{text}
	if s.Proof.TokenID != "" {
		facts = append(facts, "its id at the registry: "+s.Proof.TokenID)
	}
	if s.Label != "" {
		facts = append(facts, "its label there, if purser made it: "+s.Label)
	}
	return facts
}

// RespondResult says what was done, and when. The time of a step that was not reached is
// zero.
type RespondResult struct {
	Leaked   []credential.ManagedToken // as the registry listed it before; empty where it did not
	Version  credential.VersionID      // that holds the token
	Since    time.Time                 // when that version was made, or last changed
	Stopped  time.Time                 // when the token was switched off
	Replaced time.Time                 // when the new token was current everywhere
	Ended    time.Time                 // when the registry was seen to refuse the old token
	Bearers  Bearers                   // what outlives it
	Store    StoreResult
}

// Respond replaces a token that may have leaked. It switches the token off first, although
// readers then fail until there is a new one. Each run assumes that the current token
// leaked.
func (r *Runner) Respond(ctx context.Context, req RespondRequest) (RespondResult, error) {
	var res RespondResult
	slots, err := r.surveyAll(ctx, req.StoreRequest)
	if err != nil {
		return res, err
	}
	login, err := r.leaked(slots, req.Credential, &res)
	if err != nil {
		return res, err
	}
	suspect := Suspect{Version: res.Version, Since: res.Since, Proof: r.Prover.Prove(ctx, req.Credential, login, true)}
	suspect.Account = cmp.Or(suspect.Proof.Owner, login.Username, req.Credential.Username)
	if res.Version.IsOurs() {
		suspect.Label = credential.NewLabel(req.Credential.Name, res.Version, home(req.Credential, slots)).String()
	}
	for i, fact := range suspect.Facts() {
		if i == 0 {
			fact = "may have leaked: " + fact
		}
		r.report(StepToken, fact)
	}
	if req.Ready != nil && ctx.Err() == nil {
		if err := req.Ready(ctx, suspect, &req); err != nil {
			return res, err
		}
	}
	if ctx.Err() != nil { // what it cut off says nothing about the token
		return res, credential.Stopped(ctx, "finding out which token may have leaked")
	}
	if req.DryRun {
		r.report(StepStopped, "nothing was changed; purser would switch off, replace and revoke the token of version "+short(res.Version))
		return res, nil
	}
	ended := ""
	switch {
	case isDead(suspect.Proof):
		ended = endedBefore
	case suspect.Proof.Verdict == credential.Unknown: // the token's end must not wait for answers
		ended = "the registry did not answer"
	}
	bearers := r.watch(ctx, req.Credential, login, ended)
	if err := r.stop(ctx, req, login, suspect, &res); err != nil {
		return res, err
	}
	res.Bearers, res.Stopped = bearers, r.Now()
	r.tokenEnded(ctx, &res.Bearers)
	if res.Store, err = r.again().Store(ctx, req.StoreRequest); err != nil {
		return res, fmt.Errorf("the token that may have leaked is switched off and not replaced yet; readers fail until you run this again: %w", err)
	}
	res.Replaced = r.Now()
	for _, t := range res.Leaked {
		if err := req.Mint.Revoke(ctx, t.ID); err != nil {
			return res, err
		}
	}
	if _, err := r.proveDead(ctx, req.StoreRequest, slots[0], login, res.Leaked); err != nil {
		return res, err
	}
	res.Ended = r.Now()
	r.report(StepRetired, "the registry refuses the token that may have leaked")
	if err := r.tokenDead(ctx, req.StoreRequest, slots[0], &res.Bearers); err != nil || req.Mint == nil {
		return res, err
	}
	// No stage holds the token of an interrupted run any more, so the sweep finds it.
	if slots, err = r.again().surveyAll(ctx, req.StoreRequest); err != nil {
		return res, err
	}
	return res, r.sweep(ctx, req.StoreRequest, slots, overlapOf(req.Credential))
}

func (r *Runner) leaked(slots []*slot, c credential.Credential, res *RespondResult) (credential.Login, error) {
	first := slots[0]
	if res.Version = first.found.At(credential.Current); res.Version == "" {
		return credential.Login{}, &credential.Fault{Reason: credential.SecretEmpty, Target: first.Target, What: first.Target.String() + " holds no token that could have leaked"}
	}
	res.Since, _ = first.found.CurrentSince()
	login, err := first.Target.Shape.Decode(first.current, c.Registry)
	return login, locate(err, first.Target)
}

// stop switches the token off: found by its label or the registry's id, or by hand.
func (r *Runner) stop(ctx context.Context, req RespondRequest, login credential.Login, suspect Suspect, res *RespondResult) error {
	proof, why := suspect.Proof, "nobody is signed in to switch it off"
	if req.Mint != nil {
		tokens, _, err := req.Mint.Tokens(ctx)
		if credential.ReasonOf(err) == credential.SessionNeeded {
			return notStopped(req.Credential, suspect, err.Error())
		}
		if err != nil {
			return err
		}
		why = "it is not among the tokens of " + req.Mint.Account()
		res.Leaked = labelled(tokens, req.Credential.Name, res.Version)
		for _, t := range tokens {
			if len(res.Leaked) == 0 && proof.TokenID != "" && t.ID == proof.TokenID {
				res.Leaked = append(res.Leaked, t)
			}
		}
		for _, t := range res.Leaked {
			if err := req.Mint.Activate(ctx, t.ID, false); err != nil && credential.ReasonOf(err) != credential.NoSuchToken {
				return err
			}
		}
	}
	switch {
	case len(res.Leaked) > 0:
		r.report(StepStopped, "the token is switched off: "+cmp.Or(res.Leaked[0].Label, res.Leaked[0].ID))
	case isDead(proof):
		r.report(StepStopped, "the registry already refuses the token")
	case req.ByHand == nil:
		return notStopped(req.Credential, suspect, why)
	default:
		if err := req.ByHand(ctx); err != nil {
			return err
		}
		if _, err := r.proveDead(ctx, req.StoreRequest, &slot{Place: req.Places[0]}, login, nil); err != nil {
			return err
		}
		r.report(StepStopped, "the registry refuses the token")
	}
	return nil
}

// notStopped names the token, so that a person can end it.
func notStopped(c credential.Credential, s Suspect, why string) error {
	return &credential.Fault{
		Reason: credential.NotStopped, Registry: c.Registry, Account: c.Username, Credential: c.Name,
		What: "a token that may have leaked still works: " + strings.Join(s.Facts(), "; "), Why: why,
	}
}

// again returns the same runner for a flow within another, which has already told where.
func (r *Runner) again() *Runner {
	quiet := *r
	quiet.Report = func(e Event) {
		if !e.Where {
			r.tell(e)
		}
	}
	return &quiet
}
