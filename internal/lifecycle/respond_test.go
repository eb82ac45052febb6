package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

func (m *mint) respond(names ...string) lifecycle.RespondRequest {
	return lifecycle.RespondRequest{StoreRequest: m.request(names...)}
}

func TestRespondSwitchesTheTokenOffFirst(t *testing.T) {
	m := rotated(t, "a", "b")
	leaked := m.tokens[0]
	var events []lifecycle.Event
	res, err := m.later(day, &events).Respond(t.Context(), m.respond("a", "b"))
	if err != nil || len(res.Leaked) != 1 || res.Leaked[0].ID != leaked.ID || res.Stopped.IsZero() || res.Replaced.IsZero() || res.Ended.IsZero() {
		t.Fatalf("%+v %v", res, err)
	}
	if m.sound(t, "afterwards", "a", "b"); len(m.tokens) != 1 || m.w.good[m.secret[leaked.ID]] {
		t.Errorf("%d tokens; the leaked one works: %t", len(m.tokens), m.w.good[m.secret[leaked.ID]])
	}
	at := func(call string) int { return slices.Index(m.w.calls, call) }
	if at("Activate") > at("Mint") || at("Mint") > at("Promote a") || at("Promote b") > at("Revoke") {
		t.Errorf("the order is %v", m.w.calls)
	}
	for _, s := range []lifecycle.Step{lifecycle.StepStopped, lifecycle.StepStored, lifecycle.StepRetired} {
		if !slices.ContainsFunc(events, func(e lifecycle.Event) bool { return e.Step == s }) {
			t.Errorf("nothing is said of %s", s)
		}
	}
}

func TestRespondHandlesATokenThatPurserDidNotMake(t *testing.T) {
	prepare := func() (*mint, lifecycle.RespondRequest) {
		w := newWorld(oldToken)
		w.put("a", "v1", oldToken)
		m := newMint(w)
		return m, m.respond("a")
	}
	t.Run("the registry tells the token's id", func(t *testing.T) {
		m, req := prepare()
		m.tokens, m.secret["person"] = append(m.tokens, credential.ManagedToken{ID: "person", Label: "CI", Created: m.now, Active: true}), oldToken
		m.w.tokenID = "person"
		if res, err := m.later(0, nil).Respond(t.Context(), req); err != nil || len(res.Leaked) != 1 || len(m.tokens) != 1 || m.w.good[oldToken] {
			t.Errorf("%+v %v", res, err)
		}
		m.sound(t, "afterwards", "a")
	})
	t.Run("the token is already dead", func(t *testing.T) {
		m, req := prepare()
		delete(m.w.good, oldToken)
		if res, err := m.later(0, nil).Respond(t.Context(), req); err != nil || len(res.Leaked) != 0 {
			t.Errorf("%+v %v", res, err)
		}
		m.sound(t, "afterwards", "a")
	})
	t.Run("nobody can switch it off", func(t *testing.T) {
		m, req := prepare()
		if _, err := m.later(0, nil).Respond(t.Context(), req); credential.ReasonOf(err) != credential.NotStopped || len(m.tokens) != 0 {
			t.Errorf("%v, %d tokens", err, len(m.tokens))
		}
	})
	t.Run("a person switches it off", func(t *testing.T) {
		m, req := prepare()
		req.Mint, req.Find = nil, give(newToken)
		m.w.good[newToken] = true
		req.ByHand = func(context.Context) error { delete(m.w.good, oldToken); return nil }
		if res, err := m.later(0, nil).Respond(t.Context(), req); err != nil || res.Ended.IsZero() {
			t.Errorf("%+v %v", res, err)
		}
		holds(t, m.w, "a", newToken)
	})
	t.Run("a person says so but did not", func(t *testing.T) {
		m, req := prepare()
		req.ByHand = func(context.Context) error { return nil }
		if _, err := m.later(0, nil).Respond(t.Context(), req); credential.ReasonOf(err) != credential.NotDead || len(m.tokens) != 0 {
			t.Errorf("%v, %d tokens", err, len(m.tokens))
		}
	})
	t.Run("the person gives up", func(t *testing.T) {
		m, req := prepare()
		declined := errors.New("no")
		req.ByHand = func(context.Context) error { return declined }
		if _, err := m.later(0, nil).Respond(t.Context(), req); !errors.Is(err, declined) || !m.w.good[oldToken] {
			t.Error(err)
		}
	})
	t.Run("the secret is empty", func(t *testing.T) {
		m, req := prepare()
		m.w.put("a", "", "")
		if _, err := m.later(0, nil).Respond(t.Context(), req); credential.ReasonOf(err) != credential.SecretEmpty {
			t.Error(err)
		}
	})
	t.Run("a dry run", func(t *testing.T) {
		m, req := prepare()
		req.DryRun = true
		if res, err := m.later(0, nil).Respond(t.Context(), req); err != nil || res.Version != "v1" || !m.w.good[oldToken] || len(m.tokens) != 0 {
			t.Errorf("%+v %v", res, err)
		}
	})
}

// TestARespondIsCutAtEveryCall cuts a run at each of its calls. Consumers may have no token
// meanwhile, since the run switches it off; the next run ends with a new token, and with
// the leaked one dead.
func TestARespondIsCutAtEveryCall(t *testing.T) {
	cases := 0
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			what := fmt.Sprintf("call %d, after %t", n, after)
			m := rotated(t, "a", "b")
			leaked := m.tokens[0]
			m.w.cutAt, m.w.after = n, after
			if _, err := m.later(day, nil).Respond(t.Context(), m.respond("a", "b")); err == nil {
				break
			}
			call := m.w.calls[n-1]
			m.w.revive()
			if _, err := m.later(time.Second, nil).Respond(t.Context(), m.respond("a", "b")); err != nil {
				t.Errorf("%s: the next run: %v", what, err)
			}
			m.sound(t, what, "a", "b")
			if m.w.good[m.secret[leaked.ID]] {
				t.Errorf("%s: what leaked still works", what)
			}
			// The first run's token is retired after its overlap.
			for range 2 {
				if _, err := m.later(26*time.Hour, nil).Rotate(t.Context(), m.rotation("a", "b")); err != nil {
					t.Errorf("%s: the day after: %v", what, err)
				}
			}
			if m.sound(t, what, "a", "b"); len(m.tokens) != 1 {
				t.Errorf("%s: %d tokens are left", what, len(m.tokens))
			}
			tried(t, "respond", call, how(after))
			cases++
		}
	}
	t.Logf("%d cases", cases)
	if cases < 40 {
		t.Errorf("only %d cases", cases)
	}
}

// weak is a registry to which every token is valid and has too few rights.
type weak struct{}

func (weak) Prove(context.Context, credential.Credential, credential.Login, bool) credential.Proof {
	return credential.Proof{Verdict: credential.Refused, Fault: &credential.Fault{Reason: credential.LevelTooLow, What: "the token may only pull"}}
}

// TestATokenWithTooFewRightsIsNotDead: it can still read.
func TestATokenWithTooFewRightsIsNotDead(t *testing.T) {
	w := newWorld()
	w.put("one", "by-hand", "dckr_pat_FAKEweakFAKEweakFAKEweak")
	r := w.runner(nil)
	r.Prover = weak{}
	_, err := r.Respond(t.Context(), lifecycle.RespondRequest{StoreRequest: lifecycle.StoreRequest{Credential: someCredential, Places: w.places("one"), Find: give("x")}})
	if credential.ReasonOf(err) != credential.NotStopped {
		t.Errorf("it was taken for dead: %v", err)
	}
}
