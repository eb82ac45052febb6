package lifecycle_test

import (
	"fmt"
	"testing"
	"time"

	"purser/internal/credential"
)

// TestARollbackIsCutAtEveryCall cuts a rollback to a token that was switched off. Running
// it again restores the previous version in every place; readers always have a good token.
func TestARollbackIsCutAtEveryCall(t *testing.T) {
	cases := 0
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			what := fmt.Sprintf("call %d, after %t", n, after)
			m := rotated(t, "a", "b")
			before := m.tokens[0]
			if _, err := m.later(91*day, nil).Rotate(t.Context(), m.rotation("a", "b")); err != nil {
				t.Fatal(err)
			}
			m.w.revive()
			if err := m.Activate(t.Context(), before.ID, false); err != nil {
				t.Fatal(err)
			}
			m.w.revive()
			m.w.cutAt, m.w.after = n, after
			if _, err := m.later(time.Second, nil).Rollback(t.Context(), m.rotation("a", "b")); err == nil {
				break
			}
			call := m.w.calls[n-1]
			m.w.revive()
			m.consumersWork(t, what, "a", "b")
			if _, err := m.later(time.Second, nil).Rollback(t.Context(), m.rotation("a", "b")); err != nil {
				t.Errorf("%s: the same again: %v", what, err)
			}
			m.consumersWork(t, what, "a", "b")
			for _, place := range []string{"a", "b"} {
				if label, _ := credential.ParseLabel(before.Label); m.w.shelf[place].at[credential.Current] != label.Version {
					t.Errorf("%s: %s is not back at the version before", what, place)
				}
			}
			tried(t, "rollback", call, how(after))
			cases++
		}
	}
	if cases < 20 {
		t.Errorf("only %d cases", cases)
	}
}

// TestARevocationIsCutAtEveryCall cuts a revocation of the previous token. Running it again
// revokes it, or reports that it is gone; readers are unaffected.
func TestARevocationIsCutAtEveryCall(t *testing.T) {
	cases := 0
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			what := fmt.Sprintf("call %d, after %t", n, after)
			m := rotated(t, "a")
			before := m.tokens[0]
			if _, err := m.later(91*day, nil).Rotate(t.Context(), m.rotation("a")); err != nil {
				t.Fatal(err)
			}
			m.w.revive()
			m.w.cutAt, m.w.after = n, after
			if _, err := m.later(time.Second, nil).Revoke(t.Context(), m.rotation("a"), credential.Previous); err == nil {
				break
			}
			call := m.w.calls[n-1]
			m.w.revive()
			m.consumersWork(t, what, "a")
			if _, err := m.later(time.Second, nil).Revoke(t.Context(), m.rotation("a"), credential.Previous); err != nil && credential.ReasonOf(err) != credential.NoSuchToken {
				t.Errorf("%s: the same again: %v", what, err)
			}
			m.consumersWork(t, what, "a")
			if m.w.good[m.secret[before.ID]] {
				t.Errorf("%s: the token before still works", what)
			}
			tried(t, "revoke --previous", call, how(after))
			cases++
		}
	}
	if cases < 8 {
		t.Errorf("only %d cases", cases)
	}
}
