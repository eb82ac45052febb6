package lifecycle_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

const day = 24 * time.Hour

func (m *mint) rotation(names ...string) lifecycle.RotateRequest {
	req := lifecycle.RotateRequest{StoreRequest: m.request(names...)}
	req.Credential.Rotate = credential.Rotation{Every: 90 * day, Overlap: day}
	return req
}

func (m *mint) consumersWork(t *testing.T, what string, names ...string) {
	t.Helper()
	for _, n := range names {
		sh := m.w.shelf[n]
		l, err := credential.ShapeToken.Decode(sh.versions[sh.at[credential.Current]], "docker.io")
		if err != nil || !m.w.good[l.Token.Reveal()] {
			t.Errorf("%s: consumers of %s read a token that does not work", what, n)
		}
	}
}

// rotated returns a world in which a minted token has been current for a while.
func rotated(t *testing.T, names ...string) *mint {
	t.Helper()
	w := newWorld()
	for _, n := range names {
		w.put(n, "", "")
	}
	m := newMint(w)
	if _, err := m.later(0, nil).Store(t.Context(), m.request(names...)); err != nil {
		t.Fatal(err)
	}
	w.revive()
	return m
}

func TestARotationFromBeginningToEnd(t *testing.T) {
	m := rotated(t, "a")
	res, err := m.later(89*day, nil).Rotate(t.Context(), m.rotation("a"))
	if err != nil || res.Due || !strings.Contains(res.Why, "every 90 days") {
		t.Fatalf("before it is due: %+v %v", res, err)
	}
	old := m.tokens[0]
	res, err = m.later(2*day, nil).Rotate(t.Context(), m.rotation("a"))
	if err != nil || !res.Due || res.Retired || res.Wait != day || len(m.tokens) != 2 || !m.w.good[m.secret[old.ID]] {
		t.Fatalf("when it is due: %+v %v", res, err)
	}
	m.consumersWork(t, "after it", "a")
	m.tokens[0].LastUsed = m.now.Add(23 * time.Hour)
	res, err = m.later(25*time.Hour, nil).Rotate(t.Context(), m.rotation("a"))
	if err != nil || res.Due || res.Retired || res.Wait != 4*time.Hour || !strings.Contains(res.Waiting, "somebody still has it") {
		t.Fatalf("while somebody uses it: %+v %v", res, err)
	}
	res, err = m.later(5*time.Hour, nil).Rotate(t.Context(), m.rotation("a"))
	if err != nil || !res.Retired || len(m.tokens) != 1 || m.w.good[m.secret[old.ID]] {
		t.Fatalf("after the overlap: %+v %v", res, err)
	}
	res, err = m.later(time.Hour, nil).Rotate(t.Context(), m.rotation("a"))
	if err != nil || res.Due || res.Retired {
		t.Errorf("afterwards: %+v %v", res, err)
	}
	m.sound(t, "at the end", "a")
}

// TestARotationIsCutAtEveryCall cuts the run that renews and the run that retires at each
// of their calls, before and after it takes effect. A plain run then finishes, and
// consumers always have a token that works.
func TestARotationIsCutAtEveryCall(t *testing.T) {
	cases := 0
	for _, after := range []bool{false, true} {
		for _, phase := range []string{"renew", "retire"} {
			for n := 1; ; n++ {
				what := fmt.Sprintf("%s, call %d, after %t", phase, n, after)
				m := rotated(t, "a", "b")
				pause := 91 * day
				if phase == "retire" {
					if _, err := m.later(pause, nil).Rotate(t.Context(), m.rotation("a", "b")); err != nil {
						t.Fatal(err)
					}
					m.w.revive()
					pause = 25 * time.Hour
				}
				m.w.cutAt, m.w.after = n, after
				_, err := m.later(pause, nil).Rotate(t.Context(), m.rotation("a", "b"))
				if err == nil {
					break
				}
				m.consumersWork(t, what, "a", "b")
				call := m.w.calls[n-1]
				m.w.revive()
				for _, pause := range []time.Duration{time.Second, 26 * time.Hour} {
					if _, err := m.later(pause, nil).Rotate(t.Context(), m.rotation("a", "b")); err != nil {
						t.Errorf("%s: a run %s later: %v", what, pause, err)
					}
					m.consumersWork(t, what, "a", "b")
				}
				m.sound(t, what, "a", "b")
				if len(m.tokens) != 1 {
					t.Errorf("%s: %d tokens are left", what, len(m.tokens))
				}
				tried(t, "rotate, to "+phase, call, how(after))
				cases++
			}
		}
	}
	t.Logf("%d cases", cases)
	if cases < 50 {
		t.Errorf("only %d cases", cases)
	}
}

func TestRotatingTwiceInARowKeepsTheOverlap(t *testing.T) {
	m := rotated(t, "a")
	first := m.tokens[0]
	for range 2 {
		req := m.rotation("a")
		req.Force = true
		if _, err := m.later(time.Hour, nil).Rotate(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	if !m.w.good[m.secret[first.ID]] {
		t.Error("the first token was ended within its overlap")
	}
	if _, err := m.later(25*time.Hour, nil).Rotate(t.Context(), m.rotation("a")); err != nil {
		t.Fatal(err)
	}
	req := m.rotation("a")
	req.Force = true
	if _, err := m.later(time.Hour, nil).Rotate(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if m.w.good[m.secret[first.ID]] {
		t.Error("the first token was never ended")
	}
}

// TestAnOvertakenVersionIsDropped: otherwise a later run would make an old token current.
func TestAnOvertakenVersionIsDropped(t *testing.T) {
	m := rotated(t, "a")
	m.w.cutAt, m.w.after = 12, true // it has been staged
	if _, err := m.later(91*day, nil).Rotate(t.Context(), m.rotation("a")); err == nil || m.w.shelf["a"].at[credential.Pending] == "" {
		t.Fatalf("%v; calls %v", err, m.w.calls)
	}
	left := m.w.shelf["a"].at[credential.Pending]
	m.w.revive()
	delete(m.w.shelf["a"].at, credential.Pending)
	if _, err := m.later(time.Second, nil).Rotate(t.Context(), m.rotation("a")); err != nil {
		t.Fatal(err)
	}
	m.w.shelf["a"].at[credential.Pending] = left // as if the write came late
	if _, err := m.later(time.Second, nil).Rotate(t.Context(), m.rotation("a")); err != nil {
		t.Fatal(err)
	}
	if at := m.w.shelf["a"].at; at[credential.Pending] != "" || at[credential.Current] == left {
		t.Errorf("the version that was overtaken is pending or current: %v", at)
	}
	m.sound(t, "afterwards", "a")
}

func TestRollbackRestoresThePreviousVersion(t *testing.T) {
	m := rotated(t, "a")
	first := m.tokens[0]
	if _, err := m.later(91*day, nil).Rotate(t.Context(), m.rotation("a")); err != nil {
		t.Fatal(err)
	}
	m.tokens[0].Active, m.w.good[m.secret[first.ID]] = false, false // somebody switched it off
	if _, err := m.later(time.Minute, nil).Rollback(t.Context(), m.rotation("a")); err != nil {
		t.Fatal(err)
	}
	sh := m.w.shelf["a"]
	if l, err := credential.ShapeToken.Decode(sh.versions[sh.at[credential.Current]], "docker.io"); err != nil || l.Token.Reveal() != m.secret[first.ID] {
		t.Error("the version before is not current")
	}
	m.consumersWork(t, "afterwards", "a")
	m.revoke(m.tokens[1].ID)
	undo := m.rotation("a")
	undo.Undo = true
	if _, err := m.later(time.Minute, nil).Rollback(t.Context(), undo); credential.ReasonOf(err) != credential.TokenRefused {
		t.Errorf("back to a token that is dead: %v", err)
	}
	m.consumersWork(t, "after the second", "a")
}

func TestRevokeEndsTheTokenOfAStage(t *testing.T) {
	m := rotated(t, "a")
	if _, err := m.later(0, nil).Revoke(t.Context(), m.rotation("a"), credential.Previous); credential.ReasonOf(err) != credential.SecretEmpty {
		t.Errorf("a version that there is not: %v", err)
	}
	if _, err := m.later(0, nil).Revoke(t.Context(), m.rotation("a"), credential.Current); err != nil || len(m.tokens) != 0 {
		t.Errorf("%v, %d tokens", err, len(m.tokens))
	}
	if res, err := m.later(0, nil).Revoke(t.Context(), m.rotation("a"), credential.Current); err != nil || len(res.Ended) > 0 {
		t.Errorf("once more: %v, ended %v", err, res.Ended)
	}
}

func TestRevokeRefusesATokenThatPurserDidNotMake(t *testing.T) {
	m := rotated(t, "a")
	m.tokens[0].Label = "theirs"
	if _, err := m.later(0, nil).Revoke(t.Context(), m.rotation("a"), credential.Current); credential.ReasonOf(err) != credential.NoSuchToken || len(m.tokens) != 1 {
		t.Errorf("%v, %d tokens", err, len(m.tokens))
	}
}
