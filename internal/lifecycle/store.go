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
	// BesideSession: a login's session is kept beside the token, so that login may have made
	// the token for itself.
	BesideSession bool
}

// StoreRequest says what to store, and where.
type StoreRequest struct {
	Credential credential.Credential
	Places     []Place
	// Find gets the token. Store calls it after every check that needs no token, so that it
	// never asks a person needlessly.
	Find func(ctx context.Context) (Candidate, error)
	// Mint, if not nil, makes the token instead.
	Mint Minter

	// Version is the version of a rotation that the store itself began; "": choose one.
	Version credential.VersionID

	Given         bool      // a person supplies the token for this command, and sees where it goes
	Rebind        bool      // another registry's place becomes this credential's
	Create        bool      // create a missing secret
	AllowPassword bool      // allow storing an account's password
	AllowNew      bool      // the repository may not exist yet
	DryRun        bool      // change nothing
	Expires       time.Time // of the token; zero: unknown
}

// Outcome says what happened to a place.
type Outcome string

// The outcomes.
const (
	OutcomeStored    Outcome = "stored"
	OutcomeUnchanged Outcome = "unchanged"
	OutcomeWould     Outcome = "would store"
)

// PlaceResult describes a place after the run.
type PlaceResult struct {
	Target    credential.Target
	Outcome   Outcome
	Version   credential.VersionID
	Stages    []credential.Stage
	Replaced  credential.VersionID // now AWSPREVIOUS; "": none
	Keys      []string             // the JSON keys that hold the login
	Length    int                  // of the token, in characters
	Identical bool                 // the value read back is identical to the one sent
}

// StoreResult says what a run of Store did.
type StoreResult struct {
	Name   credential.Name
	Kind   credential.Kind
	Source string
	Proof  credential.Proof
	Made   credential.ManagedToken // the id and label of this run's token; zero: none
	Places []PlaceResult
	// Expires is when the token ends, as its registry says or the person did; zero: unknown,
	// or never.
	Expires time.Time

	version credential.VersionID // under which the run stores
}

type storing struct {
	*Runner
	StoreRequest
	slots []*slot
	id    credential.VersionID // under which this run stores
	login credential.Login     // what to store; zero until it is proved
	made  *minted              // this run's new token; nil: none
	res   StoreResult

	unasked bool // Expires is purser's own choice
}

// Store does the main job: source, prove, stage, prove what was stored, promote, verify.
// It reads every version back and has the registry accept it before making it current. On
// an error, the current version stays as it was.
func (r *Runner) Store(ctx context.Context, req StoreRequest) (StoreResult, error) {
	w := r.storing(req)
	err := w.run(ctx)
	return w.res, err
}

func (r *Runner) storing(req StoreRequest) *storing {
	return &storing{Runner: r, StoreRequest: req, id: req.Version, res: StoreResult{Name: req.Credential.Name}}
}

func (w *storing) run(ctx context.Context) (err error) {
	if w.slots, err = w.surveyAll(ctx, w.StoreRequest); err != nil {
		return err
	}
	if err := w.admitAll(ctx, w.StoreRequest, w.slots); err != nil {
		return err
	}
	if w.Mint != nil {
		if w.DryRun {
			w.report(StepToken, "nothing was changed; purser would make a token for "+w.Mint.Account()+" that may "+strings.Join(w.Credential.Access.Actions(), " and ")+", "+w.ends(w.end()))
			return nil
		}
		if err := w.prepareMint(ctx); err != nil {
			return err
		}
	}
	if w.id, err = credential.NewVersionID(w.Now(), w.Random, home(w.Credential, w.slots)); err != nil {
		return err
	}
	w.res.version = w.id
	if err := w.candidate(ctx); err != nil {
		return err
	}
	todo := w.compare()
	if len(todo) > 0 && w.DryRun {
		w.wouldStore()
		return nil
	}
	if err := w.replace(ctx, todo); err != nil {
		return err
	}
	for _, s := range w.slots {
		if s.same && !w.DryRun {
			if err := w.bind(ctx, s, w.Credential, s.version); err != nil {
				return err
			}
		}
		if err := w.tidy(ctx, s); err != nil {
			return err
		}
		p, err := w.verify(ctx, s, w.Credential, w.login)
		if err != nil {
			return err
		}
		w.res.Places = append(w.res.Places, p)
	}
	return nil
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
		return s.Target.String() + " does not exist yet; purser will create it"
	}
	text := s.Target.String() + " exists"
	if s.found.Key != "" {
		text += ", encrypted with " + s.found.Key
	}
	switch left := s.found.At(credential.Pending); {
	case left != "" && !left.IsOurs() && left != s.found.At(credential.Current):
		text += "; its rotation is under way"
	case left != "" && left != s.found.At(credential.Current):
		text += "; version " + short(left) + " is an interrupted run's leftover"
	case s.found.At(credential.Current) == "":
		text += ", empty"
	}
	return text
}

// candidate gets the token from its source and proves it. It revokes one that it minted
// but could not use.
func (w *storing) candidate(ctx context.Context) (err error) {
	var found Candidate
	if w.Mint != nil {
		found, err = w.mint(ctx)
	} else {
		found, err = w.Find(ctx)
	}
	if err != nil {
		return err
	}
	if w.made != nil {
		w.res.Made = credential.ManagedToken{ID: w.made.id, Label: w.made.label}
	}
	login, err := w.accept(ctx, found)
	if err != nil {
		w.giveUp(ctx, nil)
		if late := w.made.late(w.Now(), w.slots[0]); late != nil {
			err = late // that may also explain the refusal
		}
		return err
	}
	w.login, w.res.Expires = login, w.Expires
	return nil
}

// accept checks that the found token may be stored, and proves it.
func (w *storing) accept(ctx context.Context, found Candidate) (credential.Login, error) {
	w.res.Kind, w.res.Source = found.Kind, found.Where
	c := w.Credential
	if err := mayStore(found, w.StoreRequest); err != nil {
		return credential.Login{}, err
	}
	login := found.Login
	if c.Username != "" {
		if login.Username != "" && !strings.EqualFold(login.Username, c.Username) {
			return credential.Login{}, &credential.Fault{
				Reason: credential.WrongOwner, Registry: c.Registry, Account: c.Username, Access: c.Access,
				What: "the token from " + found.Where + " belongs to another account than " + c.Username,
			}
		}
		login.Username = c.Username
	}
	w.res.Proof = w.proveFresh(ctx, w.StoreRequest, login, w.made != nil)
	if found.BesideSession && w.res.Proof.Verdict == credential.Granted && !w.res.Proof.Limited {
		return credential.Login{}, loginsOwn(found, c)
	}
	if login.Username == "" {
		login.Username = w.res.Proof.Owner
	}
	w.report(StepToken, describeToken(found, login.Username))
	w.reportProof(c, w.res.Proof)
	if w.res.Proof.Verdict != credential.Granted {
		return credential.Login{}, w.res.Proof.Fault
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

// mayStore keeps out what build agents must not get.
func mayStore(found Candidate, req StoreRequest) error {
	f := &credential.Fault{
		Reason: credential.KindNotStored, Registry: req.Credential.Registry, Account: req.Credential.Username, Access: req.Credential.Access,
		What: "the token from " + found.Where + " is " + found.Kind.WithArticle() + ", which purser does not store",
	}
	switch found.Kind {
	case credential.Session, credential.IdentityToken:
		f.Why = "a sign-in made it for one person's computer, and it expires soon; CI needs an access token"
		return f
	case credential.Password:
		if !req.AllowPassword {
			f.Why = "a password opens the whole account; make an access token, or insist with --allow-password"
			return f
		}
	}
	return nil
}

// loginsOwn refuses the token that a browser login has made for itself: a session by another
// name. Nothing but its company and its rights tells it from a token of a person's, so one
// that is known to have fewer rights is taken.
func loginsOwn(found Candidate, c credential.Credential) error {
	return &credential.Fault{
		Reason: credential.KindNotStored, Registry: c.Registry, Account: c.Username, Access: c.Access,
		What: "docker login made the token in " + found.Where + " for itself, so purser does not store it",
		Why:  "docker signs in with it: it has every right of the account, and may end when you sign in again",
	}
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
		r.report(StepProof, "more than needed: "+strings.Join(p.Excess, "; "))
	}
}

func (w *storing) compare() []*slot {
	var todo []*slot
	for _, s := range w.slots {
		stored, err := s.Target.Shape.Decode(s.current, w.Credential.Registry)
		if !s.current.IsZero() && err == nil && stored.Equal(w.login) {
			s.same, s.version, s.value = true, s.found.At(credential.Current), s.current
			continue
		}
		todo = append(todo, s)
	}
	return todo
}

func (w *storing) wouldStore() {
	for _, s := range w.slots {
		p := PlaceResult{Target: s.Target, Outcome: OutcomeWould, Keys: s.Target.Shape.Keys(), Length: w.login.Token.Len(), Replaced: s.found.At(credential.Current)}
		text := "nothing was changed; the token would become AWSCURRENT in " + s.Target.String()
		switch {
		case s.same:
			p.Outcome, p.Version = OutcomeUnchanged, s.version
			text = s.Target.String() + " already holds this token"
		case p.Replaced != "":
			text += ", and version " + short(p.Replaced) + " AWSPREVIOUS"
		}
		w.report(StepStored, text)
		w.res.Places = append(w.res.Places, p)
	}
}

// replace stages everywhere and proves that before it promotes anywhere: the places of a
// credential move together.
func (w *storing) replace(ctx context.Context, todo []*slot) error {
	if len(todo) == 0 {
		return nil
	}
	if err := w.stageAndProve(ctx, todo); err != nil {
		if w.Mint == nil {
			return w.goBack(ctx, todo, err)
		}
		w.giveUp(ctx, todo)
		return err
	}
	for i, s := range todo {
		if err := w.promote(ctx, s); err != nil {
			return partly(err, todo[:i])
		}
		if err := w.noteEnd(ctx, s); err != nil {
			return fmt.Errorf("the token is current in %s, but purser could not note its expiry: %w", s.Target, err)
		}
		w.report(StepStored, s.storedText())
	}
	return nil
}

func (s *slot) storedText() string {
	text := "version " + short(s.version) + " is AWSCURRENT"
	if s.found.At(credential.Current) != "" {
		text += ", the previous one is AWSPREVIOUS"
	}
	return text
}

func (w *storing) stageAndProve(ctx context.Context, todo []*slot) error {
	for _, s := range todo {
		if err := w.made.late(w.Now(), s); err != nil {
			return err
		}
		if err := w.stageInTime(ctx, s); err != nil {
			return err
		}
	}
	var proved []credential.Login
	for _, s := range todo {
		stored, err := w.readBack(ctx, s, w.Credential, credential.Pending)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(proved, stored.Equal) {
			continue
		}
		if p := w.Prover.Prove(ctx, w.Credential, stored, w.AllowNew); p.Verdict != credential.Granted {
			return p.Fault
		}
		proved = append(proved, stored)
	}
	return nil
}

const (
	// cleanUpTime bounds how long a failed run takes to go back.
	cleanUpTime = 10 * time.Second
	// lastCleanUpTime does so for a run that a signal ended.
	lastCleanUpTime = 500 * time.Millisecond
)

// cleanUp returns a context for the last work of a run whose own context may have ended.
func cleanUp(ctx context.Context) (context.Context, context.CancelFunc) {
	limit := cleanUpTime
	if ctx.Err() != nil {
		limit = lastCleanUpTime
	}
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// goBack takes what was staged out of AWSPENDING, so that the next run finds the target as
// it was. If that fails, the next run recognizes the version by its id and takes it over.
func (r *Runner) goBack(ctx context.Context, todo []*slot, cause error) error {
	ctx, stop := cleanUp(ctx)
	defer stop()
	for _, s := range todo {
		if s.version != "" {
			_ = s.Store.Unstage(ctx, s.version) // the cause is what the person needs
		}
	}
	return cause
}

// partly adds to err which places moved before one failed.
func partly(err error, moved []*slot) error {
	if len(moved) == 0 {
		return err
	}
	names := make([]string, len(moved))
	for i, s := range moved {
		names[i] = s.Target.String()
	}
	return fmt.Errorf("only %s has the new token so far; run the same command again: %w", strings.Join(names, ", "), err)
}

// tidy removes an interrupted run's version when the current value is right already.
func (w *storing) tidy(ctx context.Context, s *slot) error {
	left := s.found.At(credential.Pending)
	if !s.same || w.DryRun || left == "" || left == s.version {
		return nil
	}
	return s.Store.Unstage(ctx, left)
}
