package lifecycle_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

const (
	oldToken = "dckr_pat_FAKEoldFAKEoldFAKEold00000"
	newToken = "dckr_pat_FAKEnewFAKEnewFAKEnew00000"
)

func request(w *world, token string, names ...string) lifecycle.StoreRequest {
	return lifecycle.StoreRequest{Credential: someCredential, Places: w.places(names...), Find: give(token)}
}

// holds fails unless the target's current value has the token, keeps its other key and is
// the only one staged.
func holds(t *testing.T, w *world, name, token string) {
	t.Helper()
	sh := w.shelf[name]
	value := sh.versions[sh.at[credential.Current]]
	l, err := credential.ShapeToken.Decode(value, "docker.io")
	if err != nil || l.Token.Reveal() != token {
		t.Errorf("%s does not hold the wanted token: %v", name, err)
	}
	if !strings.Contains(value.Reveal(), `"note":"keep"`) {
		t.Errorf("%s lost a key that is not purser's", name)
	}
	if p := sh.at[credential.Pending]; p != "" && p != sh.at[credential.Current] {
		t.Errorf("%s still has %s in AWSPENDING", name, p)
	}
}

func TestStorePutsAProvedTokenInPlaceOfTheOldOne(t *testing.T) {
	w := newWorld(oldToken, newToken)
	w.put("a", "v1", oldToken)
	var events []lifecycle.Event
	res, err := w.runner(&events).Store(t.Context(), request(w, newToken, "a"))
	if err != nil {
		t.Fatal(err)
	}
	holds(t, w, "a", newToken)
	p := res.Places[0]
	if p.Outcome != lifecycle.OutcomeStored || !p.Identical || p.Length != len(newToken) || p.Replaced != "v1" {
		t.Errorf("result = %+v", p)
	}
	if w.shelf["a"].at[credential.Previous] != "v1" {
		t.Error("the old version is not AWSPREVIOUS")
	}
	var steps []string
	for _, e := range events {
		steps = append(steps, string(e.Step))
	}
	if got := strings.Join(steps, " "); got != "AWS Secret Token Proof Stored Verified" {
		t.Errorf("steps = %s", got)
	}
}

func TestStoreProvesWhatWasReadBackBeforeItPromotes(t *testing.T) {
	w := newWorld(newToken)
	w.put("a", "v1", oldToken)
	if _, err := w.runner(nil).Store(t.Context(), request(w, newToken, "a")); err != nil {
		t.Fatal(err)
	}
	want := "Open a,Describe a,Read a,Prove,Stage a,Read a,Prove,Promote a,Read a,Describe a"
	if got := strings.Join(w.calls, ","); got != want {
		t.Errorf("calls:\n got %s\nwant %s", got, want)
	}
}

func TestStoreWritesNothingWhenTheTokenIsThereAlready(t *testing.T) {
	w := newWorld(newToken)
	w.put("a", "v1", newToken)
	res, err := w.runner(nil).Store(t.Context(), request(w, newToken, "a"))
	if err != nil || res.Places[0].Outcome != lifecycle.OutcomeUnchanged {
		t.Fatalf("outcome = %v, %v", res.Places, err)
	}
	refuseCalls(t, w, "Stage", "Promote", "Create", "Unstage")
}

func refuseCalls(t *testing.T, w *world, names ...string) {
	t.Helper()
	for _, call := range w.calls {
		for _, n := range names {
			if strings.HasPrefix(call, n) {
				t.Errorf("%s was called", call)
			}
		}
	}
}

func TestStoreChangesNothingOnABadTokenOrPlace(t *testing.T) {
	password := func(context.Context) (lifecycle.Candidate, error) {
		return lifecycle.Candidate{Login: credential.Login{Username: "mockserver", Token: credential.NewSecret("a password")}, Kind: credential.Password, Where: "docker"}, nil
	}
	for name, c := range map[string]struct {
		prepare func(w *world, r *lifecycle.StoreRequest)
		want    credential.Reason
	}{
		"the registry refuses": {func(w *world, _ *lifecycle.StoreRequest) { w.good = nil }, credential.TokenRefused},
		"the registry does not answer": {func(w *world, _ *lifecycle.StoreRequest) {
			w.broken["Prove"] = errCut
		}, credential.RegistryUnreachable},
		"a rotation is under way": {func(w *world, _ *lifecycle.StoreRequest) {
			w.shelf["a"].at[credential.Pending] = "somebody"
		}, credential.MidRotation},
		"the secret is missing": {func(w *world, _ *lifecycle.StoreRequest) { delete(w.shelf, "a") }, credential.SecretMissing},
		"the secret is marked for deletion": {func(w *world, _ *lifecycle.StoreRequest) {
			w.shelf["a"].deleted = time.Unix(1, 0)
		}, credential.SecretDeleted},
		"the stored JSON is cut off": {func(w *world, _ *lifecycle.StoreRequest) {
			w.shelf["a"].versions["v1"] = credential.NewSecret(`{"username":"x`)
		}, credential.ValueStrange},
		"another shape is stored": {func(w *world, _ *lifecycle.StoreRequest) {
			w.shelf["a"].versions["v1"] = credential.NewSecret(`{"username":"x","password":"y"}`)
		}, credential.ValueStrange},
		"it is a password": {func(_ *world, r *lifecycle.StoreRequest) { r.Find = password }, credential.KindNotStored},
		"it is a session": {func(_ *world, r *lifecycle.StoreRequest) {
			r.Find = give("eyJhbGciOiJSUzI1NiJ9.e30.RkFLRQ")
			r.AllowPassword = true
		}, credential.KindNotStored},
		"a sign-in made it for itself": {func(_ *world, r *lifecycle.StoreRequest) { r.Find = besideSession(r.Find) }, credential.KindNotStored},
		"it is another account's":      {func(_ *world, r *lifecycle.StoreRequest) { r.Credential.Username = "someone-else" }, credential.WrongOwner},
		"its consumers could not read it": {func(w *world, _ *lifecycle.StoreRequest) {
			w.shelf["a"].unfit = &credential.Fault{Reason: credential.KeyUnfit}
		}, credential.KeyUnfit},
	} {
		w := newWorld(newToken)
		w.put("a", "v1", oldToken)
		r := request(w, newToken, "a")
		c.prepare(w, &r)
		_, err := w.runner(nil).Store(t.Context(), r)
		if credential.ReasonOf(err) != c.want {
			t.Errorf("%s: error = %v, want reason %s", name, err, c.want)
		}
		refuseCalls(t, w, "Stage", "Promote", "Create", "Unstage", "SetExpiry")
	}
}

// besideSession finds the same where a browser login has left its session.
func besideSession(find func(context.Context) (lifecycle.Candidate, error)) func(context.Context) (lifecycle.Candidate, error) {
	return func(ctx context.Context) (lifecycle.Candidate, error) {
		c, err := find(ctx)
		c.BesideSession = true
		return c, err
	}
}

// limited is a registry that says that every token may do less than its account.
type limited struct{ *world }

func (l limited) Prove(ctx context.Context, c credential.Credential, login credential.Login, allowNew bool) credential.Proof {
	p := l.world.Prove(ctx, c, login, allowNew)
	p.Limited = true
	return p
}

// TestATokenOfAPersonsBesideASessionIsStored: a login keeps its token with every right, so
// one with fewer is not its own.
func TestATokenOfAPersonsBesideASessionIsStored(t *testing.T) {
	w := newWorld(newToken)
	w.put("a", "v1", oldToken)
	req := request(w, newToken, "a")
	req.Find = besideSession(req.Find)
	r := w.runner(nil)
	r.Prover = limited{w}
	if _, err := r.Store(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	holds(t, w, "a", newToken)
}

func TestAPasswordIsStoredOnlyOnRequest(t *testing.T) {
	w := newWorld("a password")
	w.put("a", "v1", oldToken)
	r := request(w, "a password", "a")
	r.AllowPassword = true
	if _, err := w.runner(nil).Store(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	holds(t, w, "a", "a password")
}

func TestADryRunProvesAndChangesNothing(t *testing.T) {
	w := newWorld(newToken)
	w.put("a", "v1", oldToken)
	r := request(w, newToken, "a")
	r.DryRun = true
	res, err := w.runner(nil).Store(t.Context(), r)
	if err != nil || res.Places[0].Outcome != lifecycle.OutcomeWould || res.Proof.Verdict != credential.Granted {
		t.Fatalf("result = %+v, %v", res, err)
	}
	refuseCalls(t, w, "Stage", "Promote", "Create", "Unstage")
}

func TestAllPlacesOfACredentialMoveTogether(t *testing.T) {
	w := newWorld(newToken)
	w.put("a", "v1", oldToken)
	w.put("b", "v1", newToken) // already holds it
	w.put("c", "v1", oldToken)
	w.broken["Stage c"] = errCut
	if _, err := w.runner(nil).Store(t.Context(), request(w, newToken, "a", "b", "c")); err == nil {
		t.Fatal("Store succeeded although one place could not be staged")
	}
	holds(t, w, "a", oldToken)
	w.revive()
	delete(w.broken, "Stage c")
	if _, err := w.runner(nil).Store(t.Context(), request(w, newToken, "a", "b", "c")); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"a", "b", "c"} {
		holds(t, w, n, newToken)
	}
}

func TestAReadBackThatDiffersIsNotPromoted(t *testing.T) {
	w := newWorld(newToken)
	w.put("a", "v1", oldToken)
	spoiled := lifecycle.Place{Target: credential.Target{Kind: "secret", Name: "a"}, Store: spoilingStore{fakeStore{w, "a"}}}
	r := request(w, newToken)
	r.Places = []lifecycle.Place{spoiled}
	_, err := w.runner(nil).Store(t.Context(), r)
	if credential.ReasonOf(err) != credential.ReadBackDiffers {
		t.Fatalf("error = %v", err)
	}
	holds(t, w, "a", oldToken)
}

type spoilingStore struct{ fakeStore }

func (s spoilingStore) Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error) {
	id, value, err := s.fakeStore.Read(ctx, at)
	if at == credential.Pending {
		value = credential.NewSecret(`{"username":"mockserver","token":"` + oldToken + `"}`)
	}
	return id, value, err
}

// laggingStore answers a number of reads from the state before the last write.
type laggingStore struct {
	fakeStore
	left *int
}

func (s laggingStore) Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error) {
	if sh := s.w.shelf[s.name]; sh.at[credential.Pending] != "" && *s.left > 0 {
		*s.left--
		if at == credential.Pending {
			return "", credential.Secret{}, &credential.Fault{Reason: credential.SecretEmpty, What: "no value"}
		}
	}
	return s.fakeStore.Read(ctx, at)
}

func TestLaggingReadsAreRepeatedAFewTimes(t *testing.T) {
	for _, c := range []struct {
		reads int
		want  credential.Reason
		token string
	}{{1, "", newToken}, {3, "", newToken}, {4, credential.MidRotation, oldToken}} {
		w := newWorld(oldToken, newToken)
		w.put("a", "v1", oldToken)
		left, waited := c.reads, 0
		r := request(w, newToken)
		r.Places = []lifecycle.Place{{Target: credential.Target{Kind: "secret", Name: "a"}, Store: laggingStore{fakeStore{w, "a"}, &left}}}
		runner := w.runner(nil)
		runner.Wait = func(context.Context, time.Duration) error { waited++; return nil }
		_, err := runner.Store(t.Context(), r)
		if err == nil && c.want != "" || err != nil && credential.ReasonOf(err) != c.want {
			t.Errorf("%d reads lag: %v", c.reads, err)
		}
		if waited != min(c.reads, 3) {
			t.Errorf("%d reads lag: waited %d times", c.reads, waited)
		}
		if sh := w.shelf["a"]; !strings.Contains(sh.versions[sh.at[credential.Current]].Reveal(), c.token) {
			t.Errorf("%d reads lag: another token is current", c.reads)
		}
	}
}

// TestStoreSurvivesBeingCutAtEveryCall kills the run at every call, before and after it
// takes effect. Consumers then still read a credential that works, and one plain run
// finishes the job.
func TestStoreSurvivesBeingCutAtEveryCall(t *testing.T) {
	cases := 0
	for _, start := range []string{"replacing", "empty", "missing", "two places", "a left-over"} {
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				w, names := startingWorld(start)
				w.cutAt, w.after = n, after
				r := request(w, newToken, names...)
				r.Create = true
				_, err := w.runner(nil).Store(t.Context(), r)
				if err == nil && !w.dead {
					break // there is no call number n
				}
				cases++
				call := w.calls[len(w.calls)-1]
				where := fmt.Sprintf("%s, call %d (%s), after=%v", start, n, w.calls[len(w.calls)-1], after)
				w.revive()
				consumersAreFine(t, w, where)
				r = request(w, newToken, names...)
				r.Create = true
				if _, err := w.runner(nil).Store(t.Context(), r); err != nil {
					t.Errorf("%s: the next run fails: %v", where, err)
					continue
				}
				for _, name := range names {
					finished(t, w, name, where)
				}
				tried(t, "store, "+start, call, how(after))
			}
		}
	}
	t.Logf("%d faults", cases)
	if cases < 100 {
		t.Errorf("only %d faults were tried; something ended the runs early", cases)
	}
}

func startingWorld(start string) (*world, []string) {
	w := newWorld(oldToken, newToken)
	switch start {
	case "replacing":
		w.put("a", "v1", oldToken)
	case "empty":
		w.put("a", "", "")
	case "missing":
	case "two places":
		w.put("a", "v1", oldToken)
		w.put("b", "v7", oldToken)
		return w, []string{"a", "b"}
	case "a left-over":
		sh := w.put("a", "v1", oldToken)
		sh.versions["purser-left"] = credential.NewSecret(`{"username":"mockserver","token":"` + newToken + `","note":"keep"}`)
		sh.at[credential.Pending] = "purser-left"
	}
	return w, []string{"a"}
}

func consumersAreFine(t *testing.T, w *world, where string) {
	t.Helper()
	for name, sh := range w.shelf {
		if sh.at[credential.Current] == "" {
			continue
		}
		l, err := credential.ShapeToken.Decode(sh.versions[sh.at[credential.Current]], "docker.io")
		if err != nil || !w.good[l.Token.Reveal()] {
			t.Errorf("%s: consumers of %s read a credential that does not work", where, name)
		}
	}
}

func finished(t *testing.T, w *world, name, where string) {
	t.Helper()
	sh := w.shelf[name]
	l, err := credential.ShapeToken.Decode(sh.versions[sh.at[credential.Current]], "docker.io")
	if err != nil || l.Token.Reveal() != newToken {
		t.Errorf("%s: %s does not hold the new token: %v", where, name, err)
	}
	if p := sh.at[credential.Pending]; p != "" && p != sh.at[credential.Current] {
		t.Errorf("%s: %s keeps %s in AWSPENDING", where, name, p)
	}
}

func TestTwoRunsAtOnceEndWithOneGoodCredential(t *testing.T) {
	for range 50 {
		w := newWorld(oldToken, newToken)
		w.put("a", "v1", oldToken)
		done := make(chan error, 2)
		for i := range 2 {
			go func() {
				r := w.runner(nil)
				r.Report = nil
				r.Random = &random{byte(i * 100)}
				_, err := r.Store(context.Background(), request(w, newToken, "a"))
				done <- err
			}()
		}
		errs := []error{<-done, <-done}
		consumersAreFine(t, w, "two runs")
		for _, err := range errs {
			if err != nil && credential.ReasonOf(err) != credential.MidRotation {
				t.Fatalf("a run failed otherwise than by finding the other: %v", err)
			}
		}
		if _, err := w.runner(nil).Store(t.Context(), request(w, newToken, "a")); err != nil {
			t.Fatalf("the run after: %v", err)
		}
		finished(t, w, "a", "two runs")
	}
}

func TestStoreNotesTheExpiry(t *testing.T) {
	w := newWorld(newToken)
	w.put("a", "v1", oldToken)
	r := request(w, newToken, "a")
	r.Expires = time.Unix(1_900_000_000, 0)
	if _, err := w.runner(nil).Store(t.Context(), r); err != nil || !w.shelf["a"].expires.Equal(r.Expires) {
		t.Fatalf("expires = %v, %v", w.shelf["a"].expires, err)
	}
}
