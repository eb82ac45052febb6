package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// tried logs a case of the fault table, which make faults prints.
func tried(t *testing.T, flow, at, how string) {
	t.Helper()
	state := "green"
	if t.Failed() {
		state = "RED, or one before it"
	}
	t.Logf("fault: %-28s %-24s %-40s %s", flow, at, how, state)
}

func how(after bool) string {
	if after {
		return "cut after it took effect"
	}
	return "cut before it took effect"
}

// errCut stands for a lost connection or a killed process.
var errCut = errors.New("cut")

// world is a store and a registry in memory whose calls can be cut one by one, before or
// after they take effect.
type world struct {
	mu     sync.Mutex
	calls  []string
	cutAt  int  // the call to cut, counted from 1; 0: none
	after  bool // the call takes effect first
	dead   bool // the process is gone: no further call works
	good   map[string]bool
	shelf  map[string]*shelf // by target
	broken map[string]error  // answers of some calls, by "Name" or "Name target"

	tokenID string             // the registry's id of every token; "": it does not tell
	next    string             // the call that is about to be made
	gate    func() (dead bool) // called before each call; nil: no turns
	late    func() bool        // whether a request to stage has run out of time; nil: never
}

type shelf struct {
	versions map[credential.VersionID]credential.Secret
	at       map[credential.Stage]credential.VersionID
	expires  time.Time
	unfit    *credential.Fault
	deleted  time.Time
	rotating bool // on the store's own schedule
	replicas []credential.Replica
	mark     credential.Mark
	foreign  string
}

func newWorld(goodTokens ...string) *world {
	w := &world{good: map[string]bool{}, shelf: map[string]*shelf{}, broken: map[string]error{}}
	for _, t := range goodTokens {
		w.good[t] = true
	}
	return w
}

// call counts a call to the outside and decides whether it takes effect.
func (w *world) call(name string, effect func()) error {
	w.mu.Lock()
	w.next = name
	w.mu.Unlock()
	if w.gate != nil && w.gate() {
		return errCut
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return errCut
	}
	w.calls = append(w.calls, name)
	if len(w.calls) == w.cutAt {
		w.dead = true
		if w.after {
			effect()
		}
		return errCut
	}
	if err := w.broken[name]; err != nil {
		return err
	}
	effect()
	return nil
}

func (w *world) revive() {
	w.dead, w.cutAt, w.calls = false, 0, nil
}

// Prove grants what the good tokens may do.
func (w *world) Prove(_ context.Context, c credential.Credential, l credential.Login, _ bool) credential.Proof {
	p := credential.Proof{Kind: credential.PersonalToken, Owner: "mockserver", TokenID: w.tokenID}
	err := w.call("Prove", func() {
		if w.good[l.Token.Reveal()] {
			p.Verdict = credential.Granted
			return
		}
		p.Verdict = credential.Refused
		p.Fault = &credential.Fault{Reason: credential.TokenRefused, What: "the registry refused the token"}
	})
	if err != nil {
		p.Verdict, p.Fault = credential.Unknown, &credential.Fault{Reason: credential.RegistryUnreachable, What: "no answer", Err: err}
	}
	for _, r := range c.Repositories {
		p.Repositories = append(p.Repositories, credential.RepositoryProof{Repository: r, Verdict: p.Verdict, Upload: credential.UploadCancelled})
	}
	return p
}

// Issue gives bearers that work for six minutes, whether or not the token does.
func (w *world) Issue(_ context.Context, _ credential.Credential, l credential.Login) (b credential.Bearer, err error) {
	cut := w.call("Issue", func() {
		if !w.good[l.Token.Reveal()] {
			err = &credential.Fault{Reason: credential.TokenRefused, What: "the registry refused the token"}
			return
		}
		b.Life = 6 * time.Minute
		b.Accepted = func(context.Context) (v credential.Verdict, err error) {
			err = w.call("Accepted", func() { v = credential.Granted })
			return v, err
		}
	})
	return b, errors.Join(err, cut)
}

// fakeStore is one target in the world, under the contract of store.Store.
type fakeStore struct {
	w    *world
	name string
}

func (s fakeStore) Open(context.Context) (string, error) {
	return "test", s.w.call("Open "+s.name, func() {})
}

func (s fakeStore) Describe(context.Context) (d credential.Description, err error) {
	cut := s.w.call("Describe "+s.name, func() {
		sh := s.w.shelf[s.name]
		if sh == nil {
			err = missing()
			return
		}
		d = credential.Description{Where: s.name, Home: s.name, Unfit: sh.unfit, Mark: sh.mark, Foreign: sh.foreign, Expires: sh.expires, Deleted: sh.deleted, Changed: time.Unix(1, 0), Rotating: sh.rotating, Replicas: slices.Clone(sh.replicas)}
		stages := map[credential.VersionID][]credential.Stage{}
		for stage, id := range sh.at {
			stages[id] = append(stages[id], stage)
		}
		for id, list := range stages {
			slices.Sort(list)
			d.Versions = append(d.Versions, credential.Version{ID: id, Stages: list})
		}
	})
	return d, errors.Join(err, cut)
}

func missing() error {
	return &credential.Fault{Reason: credential.SecretMissing, What: "there is no such secret"}
}

func (s fakeStore) Read(_ context.Context, at credential.Stage) (id credential.VersionID, value credential.Secret, err error) {
	cut := s.w.call("Read "+s.name, func() {
		sh := s.w.shelf[s.name]
		if sh == nil {
			err = missing()
			return
		}
		if id = sh.at[at]; id == "" || sh.versions[id].IsZero() {
			err = &credential.Fault{Reason: credential.SecretEmpty, What: "no value"}
			return
		}
		value = sh.versions[id]
	})
	return id, value, errors.Join(err, cut)
}

func (s fakeStore) Create(context.Context) error {
	return s.w.call("Create "+s.name, func() {
		if s.w.shelf[s.name] == nil {
			s.w.shelf[s.name] = &shelf{versions: map[credential.VersionID]credential.Secret{}, at: map[credential.Stage]credential.VersionID{}}
		}
	})
}

func (s fakeStore) Stage(_ context.Context, id credential.VersionID, value credential.Secret) (err error) {
	cut := s.w.call("Stage "+s.name, func() {
		if s.w.late != nil && s.w.late() {
			err = errCut
			return
		}
		sh := s.w.shelf[s.name]
		if old, ok := sh.versions[id]; ok && !old.Equal(value) {
			err = &credential.Fault{Reason: credential.StoreRefused, What: "the id is taken", Untouched: true}
			return
		}
		sh.versions[id] = value
		sh.at[credential.Pending] = id
		if sh.at[credential.Current] == "" {
			sh.at[credential.Current] = id
		}
	})
	return errors.Join(err, cut)
}

func (s fakeStore) Promote(_ context.Context, id, from credential.VersionID) (err error) {
	cut := s.w.call("Promote "+s.name, func() {
		sh := s.w.shelf[s.name]
		if sh.at[credential.Current] != id {
			if sh.at[credential.Current] != from {
				err = &credential.Fault{Reason: credential.MidRotation, What: "moved"}
				return
			}
			sh.at[credential.Previous], sh.at[credential.Current] = from, id
		}
		if sh.at[credential.Pending] == id {
			delete(sh.at, credential.Pending)
		}
	})
	return errors.Join(err, cut)
}

func (s fakeStore) Unstage(_ context.Context, id credential.VersionID) error {
	return s.w.call("Unstage "+s.name, func() {
		if sh := s.w.shelf[s.name]; sh.at[credential.Pending] == id {
			delete(sh.at, credential.Pending)
		}
	})
}

func (s fakeStore) Bind(_ context.Context, m credential.Mark) error {
	return s.w.call("Bind "+s.name, func() { s.w.shelf[s.name].mark = m })
}

func (s fakeStore) SetExpiry(_ context.Context, _ credential.VersionID, at time.Time) error {
	return s.w.call("SetExpiry "+s.name, func() { s.w.shelf[s.name].expires = at })
}

// random yields the same varied bytes in every run.
type random struct{ n byte }

func (r *random) Read(p []byte) (int, error) {
	for i := range p {
		r.n++
		p[i] = r.n
	}
	return len(p), nil
}

var someCredential = credential.Credential{
	Name: "dockerhub", Registry: "docker.io", Username: "mockserver", Access: credential.Push,
	Repositories: []credential.Repository{"mockserver/mockserver"},
}

func (w *world) places(names ...string) []lifecycle.Place {
	var all []lifecycle.Place
	for _, n := range names {
		all = append(all, lifecycle.Place{Target: credential.Target{Kind: "secret", Name: n}, Store: fakeStore{w, n}})
	}
	return all
}

func (w *world) put(name, version, token string) *shelf {
	sh := &shelf{versions: map[credential.VersionID]credential.Secret{}, at: map[credential.Stage]credential.VersionID{}, mark: credential.MarkOf(someCredential)}
	w.shelf[name] = sh
	if version != "" {
		sh.versions[credential.VersionID(version)] = credential.NewSecret(fmt.Sprintf(`{"username":"mockserver","token":%q,"note":"keep"}`, token))
		sh.at[credential.Current] = credential.VersionID(version)
	}
	return sh
}

func (w *world) runner(events *[]lifecycle.Event) *lifecycle.Runner {
	return &lifecycle.Runner{
		Prover: w, Issuer: w, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, Random: &random{}, Trusted: true,
		Wait: func(context.Context, time.Duration) error { return nil },
		Report: func(e lifecycle.Event) {
			if events != nil {
				*events = append(*events, e)
			}
		},
	}
}

func give(token string) func(context.Context) (lifecycle.Candidate, error) {
	return func(context.Context) (lifecycle.Candidate, error) {
		l := credential.Login{Username: "mockserver", Token: credential.NewSecret(token)}
		return lifecycle.Candidate{Login: l, Kind: credential.Classify("docker.io", l), Where: "the test"}, nil
	}
}
