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

// current puts a token in place by hand, unknown to the registry.
func (m *mint) current(name, token string) {
	sh := m.w.shelf[name]
	sh.versions["hand"] = credential.NewSecret(fmt.Sprintf(`{"username":"mockserver","token":%q}`, token))
	sh.at[credential.Previous], sh.at[credential.Current] = sh.at[credential.Current], "hand"
}

const nonsense = "dckr_pat_FAKEnonsenseFAKEnonsense00"

func TestABrokenTokenIsDue(t *testing.T) {
	for name, c := range map[string]struct {
		happens func(m *mint)
		tokens  int // purser's tokens at the end; 0: one
	}{
		"the token was deleted at the registry":     {happens: func(m *mint) { m.revoke(m.tokens[0].ID) }},
		"the token was switched off there":          {happens: func(m *mint) { m.tokens[0].Active, m.w.good[m.secret["id-1"]] = false, false }},
		"a nonsense value was put by hand":          {happens: func(m *mint) { m.current("a", nonsense); m.current("b", nonsense) }},
		"a nonsense value was put into one of them": {happens: func(m *mint) { m.current("b", nonsense) }},
		"another account's token was put by hand": {happens: func(m *mint) {
			m.byHand("a")
			m.w.shelf["a"].versions["hand"] = credential.NewSecret(`{"username":"someone-else","token":"dckr_pat_FAKEhandFAKEhandFAKEhand01"}`)
		}, tokens: 2},
	} {
		t.Run(name, func(t *testing.T) {
			m := rotated(t, "a", "b")
			c.happens(m)
			rehearsal := m.rotation("a", "b")
			rehearsal.DryRun = true
			if res, err := m.later(10*day, nil).Rotate(t.Context(), rehearsal); err != nil || !res.Due || !strings.Contains(res.Why, "does not work") {
				t.Errorf("a dry run says %t, %q, %v", res.Due, res.Why, err)
			}
			res, err := m.later(0, nil).Rotate(t.Context(), m.rotation("a", "b"))
			if err != nil || !res.Due || len(res.Store.Places) != 2 {
				t.Fatalf("%+v %v", res, err)
			}
			m.consumersWork(t, "afterwards", "a", "b")
			for range 2 {
				if _, err := m.later(26*time.Hour, nil).Rotate(t.Context(), m.rotation("a", "b")); err != nil {
					t.Error(err)
				}
			}
			m.sound(t, "in the end", "a", "b")
			if len(m.tokens) != max(c.tokens, 1) {
				t.Errorf("%d tokens are left", len(m.tokens))
			}
		})
	}
}

func TestATokenThatTheRegistryListsIsNotTried(t *testing.T) {
	m := rotated(t, "a")
	if res, err := m.later(day, nil).Rotate(t.Context(), m.rotation("a")); err != nil || res.Due {
		t.Fatalf("%+v %v", res, err)
	}
	refuseCalls(t, m.w, "Prove")
}

func TestAGoodTokenThatWasPutByHandIsProvedAndLeft(t *testing.T) {
	m := rotated(t, "a")
	m.byHand("a")
	req := m.rotation("a")
	req.Credential.Rotate.Every = 0 // the fake store does not know the value's age
	res, err := m.later(day, nil).Rotate(t.Context(), req)
	if err != nil || res.Due || !slices.Contains(m.w.calls, "Prove") {
		t.Errorf("%+v %v, calls %v", res, err, m.w.calls)
	}
	m.w.revive()
	m.w.broken["Prove"] = errCut
	if _, err := m.later(day, nil).Rotate(t.Context(), req); credential.ReasonOf(err) != credential.RegistryUnreachable {
		t.Errorf("when the registry does not answer: %v", err)
	}
}

// TestRenewingADeadTokenKeepsThePreviousOne: the previous token may still work.
func TestRenewingADeadTokenKeepsThePreviousOne(t *testing.T) {
	m := rotated(t, "a")
	if _, err := m.later(91*day, nil).Rotate(t.Context(), m.rotation("a")); err != nil {
		t.Fatal(err)
	}
	before := m.tokens[0]
	m.revoke(m.tokens[1].ID)
	m.w.revive()
	if res, err := m.later(26*time.Hour, nil).Rotate(t.Context(), m.rotation("a")); err != nil || len(res.Store.Places) != 1 {
		t.Fatalf("%+v %v", res, err)
	}
	m.consumersWork(t, "afterwards", "a")
	if !m.w.good[m.secret[before.ID]] {
		t.Error("the token before was ended together with the one that did not work")
	}
}

func TestADeadTokenIsReplacedByHandWithoutASession(t *testing.T) {
	w := newWorld(newToken)
	w.put("a", "v1", oldToken)
	asked := false
	req := lifecycle.RotateRequest{StoreRequest: request(w, newToken, "a")}
	req.Find = func(ctx context.Context) (lifecycle.Candidate, error) {
		asked = true
		return give(newToken)(ctx)
	}
	res, err := w.runner(nil).Rotate(t.Context(), req)
	if err != nil || !res.Due || !asked {
		t.Errorf("%+v %v", res, err)
	}
}

func TestFinishReportsADeadToken(t *testing.T) {
	m := rotated(t, "a")
	m.revoke(m.tokens[0].ID)
	req := m.rotation("a")
	req.Finish = true
	if _, err := m.later(day, nil).Rotate(t.Context(), req); credential.ReasonOf(err) != credential.TokenRefused {
		t.Error(err)
	}
}

// TestPurserTriesFewerWrongTokensThanLockAnAccount: it renews the rest where it can make
// tokens, and reports them as unknown elsewhere.
func TestPurserTriesFewerWrongTokensThanLockAnAccount(t *testing.T) {
	tries := &lifecycle.Tries{}
	for i := range 5 {
		m := rotated(t, "a")
		m.revoke(m.tokens[0].ID)
		m.w.revive()
		r := m.later(day, nil)
		r.Tries = tries
		res, err := r.Rotate(t.Context(), m.rotation("a"))
		if err != nil || !res.Due {
			t.Fatalf("%d: %+v %v", i, res, err)
		}
		if untried := strings.Contains(res.Why, "did not try it"); untried != (i >= 3) {
			t.Errorf("%d: %s", i, res.Why)
		}
	}
	w := newWorld()
	w.put("a", "v1", oldToken)
	r := w.runner(nil)
	r.Tries = tries
	_, err := r.Rotate(t.Context(), lifecycle.RotateRequest{StoreRequest: request(w, newToken, "a")})
	if credential.ReasonOf(err) != credential.RateLimited {
		t.Errorf("without a session: %v", err)
	}
}

// TestADeadTokenIsNotCopied: a place lags behind one whose token was revoked, and both get
// a new token.
func TestADeadTokenIsNotCopied(t *testing.T) {
	w := newWorld(admitted)
	w.put("one", "purser-01936f5f-0000-7000-8000-000000000001", "dckr_pat_FAKEdeadFAKEdeadFAKEdead")
	w.put("two", "purser-01936f5e-0000-7000-8000-000000000001", "dckr_pat_FAKEoldFAKEoldFAKEold")
	res, err := w.runner(nil).Rotate(t.Context(), lifecycle.RotateRequest{Force: true, StoreRequest: lifecycle.StoreRequest{
		Credential: someCredential, Places: w.places("one", "two"), Find: give(admitted),
	}})
	if err != nil || len(res.Store.Places) != 2 || len(res.Caught.Places) != 0 {
		t.Errorf("%d places were renewed, %d caught up: %v", len(res.Store.Places), len(res.Caught.Places), err)
	}
	for name, sh := range w.shelf {
		if !strings.Contains(sh.versions[sh.at[credential.Current]].Reveal(), admitted) {
			t.Errorf("%s does not have the new token", name)
		}
	}
}

func TestRotateNowRenewsADeadToken(t *testing.T) {
	w := newWorld()
	m := newMint(w)
	w.put("one", "", "")
	req := lifecycle.RotateRequest{Force: true, RetireNow: true, StoreRequest: lifecycle.StoreRequest{Credential: someCredential, Places: w.places("one"), Mint: m}}
	r := w.runner(nil)
	r.Now = func() time.Time { return m.now }
	req.RetireNow = false
	for range 2 { // there is a previous version then
		if _, err := r.Rotate(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		m.now = m.now.Add(time.Hour)
	}
	m.revoke(m.tokens[len(m.tokens)-1].ID)
	req.RetireNow = true
	res, err := r.Rotate(t.Context(), req)
	if err != nil || len(res.Store.Places) != 1 {
		t.Errorf("%d places were renewed: %v", len(res.Store.Places), err)
	}
}
