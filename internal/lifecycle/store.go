package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
)

// Candidate is a token that a source found.
type Candidate struct {
	credential.Login
	Kind  credential.Kind
	Where string
}

// StoreRequest says what to store and where.
type StoreRequest struct {
	Credential credential.Credential
	Places     []Place
	// Find gets the token. It is called after everything that can be looked at
	// without one is in order, so that nobody is asked in vain.
	Find func(ctx context.Context) (Candidate, error)
	// Mint makes the token instead, when it is not nil.
	Mint Minter

	// Version is that of a rotation which the store itself has begun; "" chooses one.
	Version credential.VersionID

	Given         bool      // a person gives the token for this very command, and sees where it goes
	Rebind        bool      // a place of another registry becomes this credential's
	Create        bool      // make a secret that does not exist
	AllowPassword bool      // an account's password may be stored
	AllowNew      bool      // the repository need not exist yet
	DryRun        bool      // change nothing
	Expires       time.Time // when the token ends; zero: unknown
}

// Outcome says what became of a place.
type Outcome string

// The outcomes.
const (
	OutcomeStored    Outcome = "stored"
	OutcomeUnchanged Outcome = "unchanged"
	OutcomeWould     Outcome = "would store"
)

// PlaceResult is what is now at a place.
type PlaceResult struct {
	Target    credential.Target
	Outcome   Outcome
	Version   credential.VersionID
	Stages    []credential.Stage
	Replaced  credential.VersionID // the version that is AWSPREVIOUS now; "" for none
	Keys      []string             // the JSON keys that hold the login
	Length    int                  // of the token, in characters
	Identical bool                 // read back and identical to what was sent
}

// StoreResult is what a run of Store did.
type StoreResult struct {
	Name   credential.Name
	Kind   credential.Kind
	Source string
	Proof  credential.Proof
	Made   credential.ManagedToken // by this run, with its id and label; zero when none was
	Places []PlaceResult

	version credential.VersionID // under which this run stores
}

// Store is the main job: source, prove, stage, prove what was stored, promote,
// verify. Nothing becomes current that was not read back and accepted by the
// registry. An error leaves what is current as it was.
func (r *Runner) Store(ctx context.Context, req StoreRequest) (StoreResult, error) {
	res := StoreResult{Name: req.Credential.Name}
	slots, err := r.surveyAll(ctx, req)
	if err != nil {
		return res, err
	}
	if err := r.admitAll(ctx, req, slots); err != nil {
		return res, err
	}
	if req.Mint != nil {
		if req.DryRun {
			r.report(StepToken, "nothing was made; a token of "+req.Mint.Account()+" would be, for "+strings.Join(req.Credential.Access.Actions(), " and "))
			return res, nil
		}
		if err := r.prepareMint(ctx, req, slots); err != nil {
			return res, err
		}
	}
	id, err := credential.NewVersionID(r.Now(), r.Random, home(req.Credential, slots))
	if err != nil {
		return res, err
	}
	res.version = id
	login, made, err := r.candidate(ctx, req, &res, slots, id)
	if err != nil {
		return res, err
	}
	todo := r.compare(slots, req.Credential, login)
	if len(todo) > 0 && req.DryRun {
		res.Places = r.wouldStore(slots, login)
		return res, nil
	}
	if err := r.replace(ctx, req, todo, login, id, made); err != nil {
		return res, err
	}
	for _, s := range slots {
		if s.same && !req.DryRun {
			if err := r.bind(ctx, s, req.Credential, s.version); err != nil {
				return res, err
			}
		}
		if err := r.tidy(ctx, s, req.DryRun); err != nil {
			return res, err
		}
		p, err := r.verify(ctx, s, req.Credential, login)
		if err != nil {
			return res, err
		}
		res.Places = append(res.Places, p)
	}
	return res, nil
}

func (r *Runner) surveyAll(ctx context.Context, req StoreRequest) ([]*slot, error) {
	var said []string
	slots := make([]*slot, 0, len(req.Places))
	for _, p := range req.Places {
		who, err := p.Store.Open(ctx)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(said, who) {
			said = append(said, who)
			k := p.Target.Traits()
			r.tell(Event{Step: Step(k.Opener), Text: who, Where: true, Who: k.Cloud != ""})
		}
	}
	for _, p := range req.Places {
		s, err := r.survey(ctx, p, req)
		if err != nil {
			return nil, err
		}
		r.tell(Event{Step: Step(p.Target.Traits().Noun), Text: s.describe(), Where: true})
		slots = append(slots, s)
	}
	return slots, nil
}

func (s *slot) describe() string {
	if !s.exists {
		return s.Target.String() + " does not exist yet and will be made"
	}
	text := s.Target.String() + " exists"
	if s.found.Key != "" {
		text += ", encrypted with " + s.found.Key
	}
	switch left := s.found.At(credential.Pending); {
	case left != "" && !left.IsOurs() && left != s.found.At(credential.Current):
		text += "; its rotation is under way"
	case left != "" && left != s.found.At(credential.Current):
		text += "; version " + short(left) + " was left by an interrupted run"
	case s.found.At(credential.Current) == "":
		text += ", empty"
	}
	return text
}

// candidate gets the token from its source and proves it before it goes anywhere.
// One that was made for it is ended again when it does not get through.
func (r *Runner) candidate(ctx context.Context, req StoreRequest, res *StoreResult, slots []*slot, id credential.VersionID) (login credential.Login, made *minted, err error) {
	var found Candidate
	if req.Mint != nil {
		found, made, err = r.mint(ctx, req, slots, id)
	} else {
		found, err = req.Find(ctx)
	}
	if err != nil {
		return credential.Login{}, nil, err
	}
	if made != nil {
		res.Made = credential.ManagedToken{ID: made.id, Label: made.label}
	}
	if login, err = r.accept(ctx, req, res, found, made); err != nil {
		r.giveUp(ctx, req, made, nil)
		if late := made.late(r.Now(), slots[0]); late != nil {
			err = late // the refusal, too, may come from that
		}
		return credential.Login{}, nil, err
	}
	return login, made, nil
}

// accept decides whether what was found is what is wanted, and has it proved.
func (r *Runner) accept(ctx context.Context, req StoreRequest, res *StoreResult, found Candidate, made *minted) (credential.Login, error) {
	res.Kind, res.Source = found.Kind, found.Where
	if err := mayStore(found, req); err != nil {
		return credential.Login{}, err
	}
	login := found.Login
	if req.Credential.Username != "" {
		if login.Username != "" && !strings.EqualFold(login.Username, req.Credential.Username) {
			return credential.Login{}, &credential.Fault{
				Reason: credential.WrongOwner, Registry: req.Credential.Registry, Account: req.Credential.Username, Access: req.Credential.Access,
				What: "the token found in " + found.Where + " is of another account than " + req.Credential.Username,
			}
		}
		login.Username = req.Credential.Username
	}
	res.Proof = r.proveFresh(ctx, req, login, made)
	if login.Username == "" {
		login.Username = res.Proof.Owner
	}
	r.report(StepToken, describeToken(found, login.Username))
	r.reportProof(req.Credential, res.Proof)
	if res.Proof.Verdict != credential.Granted {
		return credential.Login{}, res.Proof.Fault
	}
	return login, nil
}

func describeToken(found Candidate, account string) string {
	text := string(found.Kind)
	if account != "" {
		text += " for " + account
	}
	return text + ", from " + found.Where
}

// mayStore keeps out what must not be handed to build agents.
func mayStore(found Candidate, req StoreRequest) error {
	f := &credential.Fault{
		Reason: credential.KindNotStored, Registry: req.Credential.Registry, Account: req.Credential.Username, Access: req.Credential.Access,
		What: "what " + found.Where + " has is a " + string(found.Kind) + ", which is not stored",
	}
	switch found.Kind {
	case credential.Session, credential.IdentityToken:
		f.Why = "it is made for one person's computer and ends soon; build agents need an access token of their own"
		return f
	case credential.Password:
		if !req.AllowPassword {
			f.Why = "a password opens the whole account; make an access token, or insist with --allow-password"
			return f
		}
	}
	return nil
}

func (r *Runner) reportProof(c credential.Credential, p credential.Proof) {
	for _, repo := range p.Repositories {
		if repo.Verdict != credential.Granted {
			continue
		}
		text := string(repo.Repository) + ": " + strings.Join(c.Access.Actions(), " and ") + " granted"
		if repo.Upload != credential.NoUpload {
			text += ", upload " + string(repo.Upload)
		}
		r.report(StepProof, text)
	}
	if p.Verdict == credential.Granted && len(p.Excess) > 0 {
		r.report(StepProof, "more than was asked for: "+strings.Join(p.Excess, "; "))
	}
}

// compare finds the places that do not hold the login yet.
func (r *Runner) compare(slots []*slot, c credential.Credential, login credential.Login) []*slot {
	var todo []*slot
	for _, s := range slots {
		stored, err := s.Target.Shape.Decode(s.current, c.Registry)
		if !s.current.IsZero() && err == nil && stored.Equal(login) {
			s.same, s.version, s.value = true, s.found.At(credential.Current), s.current
			continue
		}
		todo = append(todo, s)
	}
	return todo
}

func (r *Runner) wouldStore(slots []*slot, login credential.Login) []PlaceResult {
	results := make([]PlaceResult, 0, len(slots))
	for _, s := range slots {
		p := PlaceResult{Target: s.Target, Outcome: OutcomeWould, Keys: s.Target.Shape.Keys(), Length: login.Token.Len(), Replaced: s.found.At(credential.Current)}
		text := "nothing was changed; it would become AWSCURRENT in " + s.Target.String()
		switch {
		case s.same:
			p.Outcome, p.Version = OutcomeUnchanged, s.version
			text = s.Target.String() + " already holds this token"
		case p.Replaced != "":
			text += ", and version " + short(p.Replaced) + " AWSPREVIOUS"
		}
		r.report(StepStored, text)
		results = append(results, p)
	}
	return results
}

// replace stages everywhere, proves what was staged, and only then promotes
// anywhere: the places of a credential move together.
func (r *Runner) replace(ctx context.Context, req StoreRequest, todo []*slot, login credential.Login, id credential.VersionID, made *minted) error {
	if len(todo) == 0 {
		return nil
	}
	if err := r.stageAndProve(ctx, req, todo, login, id, made); err != nil {
		if req.Mint == nil {
			return r.goBack(ctx, todo, err)
		}
		r.giveUp(ctx, req, made, todo)
		return err
	}
	for i, s := range todo {
		if err := r.promote(ctx, s); err != nil {
			return partly(err, todo[:i])
		}
		if !req.Expires.IsZero() {
			if err := s.Store.SetExpiry(ctx, s.version, req.Expires); err != nil {
				return fmt.Errorf("the token is stored and current in %s, and its expiry could not be noted: %w", s.Target, err)
			}
		}
		r.report(StepStored, s.storedText())
	}
	return nil
}

func (s *slot) storedText() string {
	text := "version " + short(s.version) + " is AWSCURRENT"
	if s.found.At(credential.Current) != "" {
		text += ", the one before is AWSPREVIOUS"
	}
	return text
}

func (r *Runner) stageAndProve(ctx context.Context, req StoreRequest, todo []*slot, login credential.Login, id credential.VersionID, made *minted) error {
	for _, s := range todo {
		if err := made.late(r.Now(), s); err != nil {
			return err
		}
		if err := r.stageInTime(ctx, s, req.Credential, login, id, made); err != nil {
			return err
		}
	}
	var proved []credential.Login
	for _, s := range todo {
		stored, err := r.readBack(ctx, s, req.Credential, credential.Pending)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(proved, stored.Equal) {
			continue
		}
		if p := r.Prover.Prove(ctx, req.Credential, stored, req.AllowNew); p.Verdict != credential.Granted {
			return p.Fault
		}
		proved = append(proved, stored)
	}
	return nil
}

const (
	// cleanUpTime is what a run that has failed takes to go back.
	cleanUpTime = 10 * time.Second
	// lastCleanUpTime is that of a run which was told to end.
	lastCleanUpTime = 500 * time.Millisecond
)

// cleanUp is a context for what a run still does when its own may have ended.
func cleanUp(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := cleanUpTime
	if ctx.Err() != nil {
		limit = lastCleanUpTime
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// goBack takes what was staged out of AWSPENDING, so that the next run of
// anybody finds the target as it was. Should it fail, the version stays there,
// is known as purser's by its id, and is taken over by the next run.
func (r *Runner) goBack(ctx context.Context, todo []*slot, cause error) error {
	ctx, stop := cleanUp(ctx)
	defer stop()
	for _, s := range todo {
		if s.version != "" {
			_ = s.Store.Unstage(ctx, s.version) // the cause is what the person needs to read
		}
	}
	return cause
}

// partly says which places moved before one failed.
func partly(err error, moved []*slot) error {
	if len(moved) == 0 {
		return err
	}
	names := make([]string, len(moved))
	for i, s := range moved {
		names[i] = s.Target.String()
	}
	return fmt.Errorf("%s has the new token and the rest has not, run the same command again: %w", strings.Join(names, ", "), err)
}

// tidy takes away what an interrupted run left beside a value that is right.
func (r *Runner) tidy(ctx context.Context, s *slot, dryRun bool) error {
	left := s.found.At(credential.Pending)
	if !s.same || dryRun || left == "" || left == s.version {
		return nil
	}
	return s.Store.Unstage(ctx, left)
}
