package lifecycle_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// mint is a registry that makes tokens, in a world whose calls can be cut.
type mint struct {
	w      *world
	now    time.Time
	tokens []credential.ManagedToken
	secret map[string]string // by id
	made   int
	slow   time.Duration // how long making one takes
	onMint func()        // may be nil

	ends func(asked time.Time) time.Time // chooses the expiry; nil: as requested
}

func newMint(w *world) *mint {
	return &mint{w: w, now: time.Unix(1_800_000_000, 0), secret: map[string]string{}}
}

func (m *mint) Account() string { return "mockserver" }

func (m *mint) Tokens(context.Context) (all []credential.ManagedToken, now time.Time, err error) {
	err = m.w.call("Tokens", func() { all, now = slices.Clone(m.tokens), m.now })
	return all, now, err
}

func (m *mint) Mint(_ context.Context, r credential.MintRequest) (t credential.ManagedToken, s credential.Secret, err error) {
	err = m.w.call("Mint", func() {
		m.made++
		m.now = m.now.Add(m.slow)
		if m.onMint != nil {
			m.onMint()
		}
		secret := fmt.Sprintf("dckr_pat_FAKEmadeFAKEmadeFAKEmade%03d", m.made)
		t = credential.ManagedToken{ID: fmt.Sprint("id-", m.made), Label: r.Label, Created: m.now, Active: true, Expires: r.Expires}
		if m.ends != nil {
			t.Expires = m.ends(r.Expires)
		}
		m.tokens, m.secret[t.ID], m.w.good[secret] = append(m.tokens, t), secret, true
		s = credential.NewSecret(secret)
	})
	if err != nil {
		return t, credential.Secret{}, &credential.Fault{Reason: credential.MaybeMinted, What: "no answer", Err: err}
	}
	return t, s, nil
}

func (m *mint) Revoke(_ context.Context, id string) error {
	return m.w.call("Revoke", func() { m.revoke(id) })
}

func (m *mint) revoke(id string) {
	m.tokens = slices.DeleteFunc(m.tokens, func(t credential.ManagedToken) bool { return t.ID == id })
	delete(m.w.good, m.secret[id])
}

func (m *mint) Activate(_ context.Context, id string, active bool) error {
	return m.w.call("Activate", func() {
		for i, t := range m.tokens {
			if t.ID == id {
				m.tokens[i].Active, m.w.good[m.secret[id]] = active, active
			}
		}
	})
}

// later returns a runner that starts after d and never times out.
func (m *mint) later(d time.Duration, events *[]lifecycle.Event) *lifecycle.Runner {
	m.now = m.now.Add(d)
	r := m.w.runner(events)
	r.Now = func() time.Time { return m.now }
	r.Random = &random{n: byte(m.made * 16)}
	r.Wait = func(_ context.Context, d time.Duration) error { m.now = m.now.Add(d); return nil }
	return r
}

func (m *mint) request(names ...string) lifecycle.StoreRequest {
	return lifecycle.StoreRequest{Credential: someCredential, Places: m.w.places(names...), Mint: m, Create: true}
}

// sound checks a world after a successful run: every target holds the same good token, and
// some target holds every token that purser made.
func (m *mint) sound(t *testing.T, what string, names ...string) {
	t.Helper()
	held := map[string]bool{}
	for _, n := range names {
		sh := m.w.shelf[n]
		current := sh.versions[sh.at[credential.Current]]
		l, err := credential.ShapeToken.Decode(current, "docker.io")
		if err != nil || !m.w.good[l.Token.Reveal()] {
			t.Errorf("%s: %s is on a token that does not work (%v)", what, n, err)
		}
		if p := sh.at[credential.Pending]; p != "" && p != sh.at[credential.Current] {
			t.Errorf("%s: %s still has a version in AWSPENDING", what, n)
		}
		for _, id := range sh.at {
			if l, err := credential.ShapeToken.Decode(sh.versions[id], "docker.io"); err == nil {
				held[l.Token.Reveal()] = true
			}
		}
	}
	for _, token := range m.tokens {
		if strings.HasPrefix(token.Label, "purser/dockerhub/") && !held[m.secret[token.ID]] {
			t.Errorf("%s: nobody holds %s", what, token.Label)
		}
	}
}

func TestAMintedTokenIsStoredUnderItsLabel(t *testing.T) {
	w := newWorld(oldToken)
	w.put("a", "v1", oldToken)
	m := newMint(w)
	var events []lifecycle.Event
	res, err := m.later(0, &events).Store(t.Context(), m.request("a"))
	if err != nil {
		t.Fatal(err)
	}
	label, ok := credential.ParseLabel(m.tokens[0].Label)
	if id := label.Version; !ok || label.Name != "dockerhub" || id != res.Places[0].Version || id != w.shelf["a"].at[credential.Current] {
		t.Errorf("label %s, version %s", m.tokens[0].Label, res.Places[0].Version)
	}
	m.sound(t, "a first run", "a")
}

// TestMintingIsCutAtEveryCall cuts a run at each of its calls, before and after it takes
// effect, from four states. Then one plain run has to put everything right.
func TestMintingIsCutAtEveryCall(t *testing.T) {
	cases := 0
	for state, prepare := range map[string]func(*world){
		"nothing yet":    func(*world) {},
		"empty":          func(w *world) { w.put("a", "", ""); w.put("b", "", "") },
		"an older token": func(w *world) { w.put("a", "v1", oldToken); w.put("b", "v1", oldToken) },
		"one is missing": func(w *world) { w.put("a", "v1", oldToken) },
	} {
		for _, after := range []bool{false, true} {
			for n := 1; ; n++ {
				w := newWorld(oldToken)
				prepare(w)
				m := newMint(w)
				w.cutAt, w.after = n, after
				_, err := m.later(0, nil).Store(t.Context(), m.request("a", "b"))
				if err == nil {
					break // no more calls
				}
				what := fmt.Sprintf("%s, call %d, after %t", state, n, after)
				for _, name := range []string{"a", "b"} {
					if sh := w.shelf[name]; sh != nil && sh.at[credential.Current] != "" {
						if l, err := credential.ShapeToken.Decode(sh.versions[sh.at[credential.Current]], "docker.io"); err != nil || !w.good[l.Token.Reveal()] {
							t.Errorf("%s: consumers of %s read a token that does not work", what, name)
						}
					}
				}
				call := w.calls[n-1]
				w.revive()
				if _, err := m.later(time.Second, nil).Store(t.Context(), m.request("a", "b")); err != nil {
					t.Errorf("%s: the next run: %v", what, err)
					continue
				}
				m.sound(t, what, "a", "b")
				tried(t, "store --mint, "+state, call, how(after))
				cases++
			}
		}
	}
	t.Logf("%d cases", cases)
	if cases < 100 {
		t.Errorf("only %d cases", cases)
	}
}

func TestOtherPeoplesTokensAreLeftAlone(t *testing.T) {
	w := newWorld(oldToken)
	w.put("a", "v1", oldToken)
	m := newMint(w)
	elsewhere, err := credential.NewVersionID(m.now, &random{n: 99}, "another place")
	if err != nil {
		t.Fatal(err)
	}
	nowhere, err := credential.NewVersionID(m.now, &random{n: 120}, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, label := range []string{
		"my laptop", "purser/dockerhub/", "purser/dockerhub/v1", "purser/other/" + string(nowhere), credential.NewLabel("dockerhub", elsewhere, "another place").String(), credential.NewLabel("dockerhub", nowhere, "").String(),
		credential.NewLabel("dockerhub", "4f1c2d3e-0000-4000-8000-00000000abcd", "another place").String(), "purser/dockerhub/4f1c2d3e-0000-4000-8000-00000000abcd",
	} {
		m.tokens = append(m.tokens, credential.ManagedToken{ID: fmt.Sprint("x", i), Label: label, Created: m.now.Add(-time.Hour)})
	}
	if _, err := m.later(0, nil).Store(t.Context(), m.request("a")); err != nil {
		t.Fatal(err)
	}
	if len(m.tokens) != 9 {
		t.Errorf("%d tokens are left of 8 and the new one", len(m.tokens))
	}
}

// TestAYoungUnstoredTokenIsNotRevoked: another run may be about to store it.
func TestAYoungUnstoredTokenIsNotRevoked(t *testing.T) {
	w := newWorld(oldToken)
	w.put("a", "v1", oldToken)
	m := newMint(w)
	w.cutAt = 6 // the call that stages: the process is gone with its token
	if _, err := m.later(0, nil).Store(t.Context(), m.request("a")); err == nil || len(m.tokens) != 1 {
		t.Fatalf("%v; calls %v, tokens %v", err, w.calls, m.tokens)
	}
	w.revive()
	var events []lifecycle.Event
	begun := m.now
	if _, err := m.later(10*time.Second, &events).Store(t.Context(), m.request("a")); err != nil {
		t.Fatal(err)
	}
	if waited := m.now.Sub(begun); waited != time.Minute {
		t.Errorf("it was revoked as a leftover after %s", waited)
	}
	if !slices.ContainsFunc(events, func(e lifecycle.Event) bool { return e.Step == lifecycle.StepTidied }) {
		t.Error("nothing was said")
	}
	m.sound(t, "afterwards", "a")
}

func TestATokenStoredTooLateIsNotMadeCurrent(t *testing.T) {
	w := newWorld(oldToken)
	w.put("a", "v1", oldToken)
	m := newMint(w)
	m.slow = 31 * time.Second
	r := m.later(0, nil)
	_, err := r.Store(t.Context(), m.request("a"))
	if credential.ReasonOf(err) != credential.StoreUnreachable || len(m.tokens) != 0 {
		t.Errorf("%v, tokens %v", err, m.tokens)
	}
	holds(t, w, "a", oldToken)
}

// TestAnUnstoredTokenIsRevoked: when the store refuses the new token, the run revokes it;
// if a store may have it, the run leaves it to the next one.
func TestAnUnstoredTokenIsRevoked(t *testing.T) {
	refused := &credential.Fault{Reason: credential.AccessDenied, What: "refused", Untouched: true}
	unknown := &credential.Fault{Reason: credential.StoreUnreachable, What: "no answer"}
	for name, c := range map[string]struct {
		broken map[string]error
		left   int
		says   string
	}{
		"refused":                          {map[string]error{"Stage a": refused}, 0, "purser revoked the new token again"},
		"refused after another has it":     {map[string]error{"Stage b": refused}, 1, "the next run finishes or revokes it"},
		"not known whether it has arrived": {map[string]error{"Stage a": unknown}, 1, "the next run finishes or revokes it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(oldToken)
			w.put("a", "v1", oldToken)
			w.put("b", "v1", oldToken)
			w.broken = c.broken
			m := newMint(w)
			var events []lifecycle.Event
			if _, err := m.later(0, &events).Store(t.Context(), m.request("a", "b")); err == nil || len(m.tokens) != c.left {
				t.Errorf("%v, tokens %v", err, m.tokens)
			}
			if !slices.ContainsFunc(events, func(e lifecycle.Event) bool { return strings.Contains(e.Text, c.says) }) {
				t.Errorf("it does not say %q: %v", c.says, events)
			}
		})
	}
}

func TestAnInterruptedWaitSaysSo(t *testing.T) {
	w := newWorld(oldToken)
	w.put("a", "v1", oldToken)
	m := newMint(w)
	w.broken["Stage a"] = &credential.Fault{Reason: credential.StoreUnreachable, What: "no answer"}
	if _, err := m.later(0, nil).Store(t.Context(), m.request("a")); err == nil {
		t.Fatal("it was stored")
	}
	w.revive()
	r := m.later(time.Second, nil)
	r.Wait = nil // wait on the clock
	ctx, end := context.WithCancelCause(t.Context())
	r.Report = func(e lifecycle.Event) {
		if strings.Contains(e.Text, "waiting") {
			end(&credential.Fault{Reason: credential.Interrupted, What: "interrupted by SIGTERM"})
		}
	}
	if _, err := r.Store(ctx, m.request("a")); credential.ReasonOf(err) != credential.Interrupted || !strings.Contains(err.Error(), "waiting") {
		t.Errorf("it ended with %v", err)
	}
}
