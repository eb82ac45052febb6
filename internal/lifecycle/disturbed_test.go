package lifecycle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
)

func refusal(r credential.Reason) error { return &credential.Fault{Reason: r, What: "no"} }

// TestADisturbedRotationEndsWithOneGoodToken interferes with a rotation. Consumers work
// all along. Once the disturbance is over, plain runs end with one good token of purser's
// and leave other people's tokens alone.
func TestADisturbedRotationEndsWithOneGoodToken(t *testing.T) {
	for name, c := range map[string]struct {
		disturb func(m *mint)     // before the run that renews
		call    string            // or at this call of it
		at      func(m *mint)     // what happens then
		want    credential.Reason // of the disturbed run
		restore func(m *mint)
		tokens  int // at the end; 0: one
	}{
		"throttled by the registry": {disturb: func(m *mint) { m.w.broken["Mint"] = refusal(credential.RateLimited) }, want: credential.MaybeMinted, restore: (*mint).mended},
		"throttled by the store":    {disturb: func(m *mint) { m.w.broken["Stage a"] = refusal(credential.StoreUnreachable) }, want: credential.StoreUnreachable, restore: (*mint).mended},
		"access lost before staging": {
			disturb: func(m *mint) { m.w.broken["Stage b"] = refusal(credential.AccessDenied) }, want: credential.AccessDenied, restore: (*mint).mended,
		},
		"access lost before promoting": {
			disturb: func(m *mint) { m.w.broken["Promote b"] = refusal(credential.AccessDenied) }, want: credential.AccessDenied, restore: (*mint).mended,
		},
		"a version staged by somebody else": {
			disturb: func(m *mint) { m.w.shelf["b"].at[credential.Pending] = "theirs" }, want: credential.MidRotation,
			restore: func(m *mint) { delete(m.w.shelf["b"].at, credential.Pending) },
		},
		"what a dead rotation of AWS's left": {
			disturb: func(m *mint) { m.w.shelf["a"].at[credential.Pending] = begun }, want: credential.MidRotation,
			restore: func(m *mint) { delete(m.w.shelf["a"].at, credential.Pending) },
		},
		"a put by hand": {call: "Promote a", at: func(m *mint) { m.byHand("a") }, want: credential.MidRotation, tokens: 2},
		"the secret deleted": {
			call: "Mint", at: func(m *mint) {
				m.w.broken["Stage a"] = refusal(credential.SecretDeleted)
				m.w.shelf["a"].deleted = m.now
			}, want: credential.SecretDeleted,
			restore: func(m *mint) { m.mended(); m.w.shelf["a"].deleted = time.Time{} },
		},
		"the clock jumps ahead": {call: "Mint", at: func(m *mint) { m.slow = 400 * day }, want: credential.StoreUnreachable, restore: func(m *mint) { m.slow = 0 }},
		"the clock jumps back":  {call: "Mint", at: func(m *mint) { m.slow = -80 * day }, restore: func(m *mint) { m.slow = 0; m.now = m.now.Add(81 * day) }},
		"the old token deleted": {call: "Promote a", at: func(m *mint) { m.revoke(m.tokens[0].ID) }},
		"the old token's label edited": {
			disturb: func(m *mint) { m.tokens[0].Label = "my laptop" }, tokens: 2,
		},
		"the new token's label edited": {
			call: "Promote a", at: func(m *mint) { m.tokens[1].Label = "purser/dockerhub" },
		},
		"labels moved back by hand": {
			disturb: func(*mint) {}, restore: func(m *mint) {
				for _, n := range []string{"a", "b"} {
					at := m.w.shelf[n].at
					at[credential.Current], at[credential.Previous] = at[credential.Previous], at[credential.Current]
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := rotated(t, "a", "b")
			for i, label := range []string{"purser/dockerhub2/purser-01936f5e-0000-7000-8000-000000000001", "Purser/dockerhub/x", "purser/dockerhub", "laptop"} {
				m.tokens = append(m.tokens, credential.ManagedToken{ID: fmt.Sprint("person-", i), Label: label, Created: m.now, Active: true})
			}
			if c.disturb != nil {
				c.disturb(m)
			}
			struck := false
			m.w.gate = func() bool {
				if !struck && c.call != "" && len(m.w.calls) > 0 && m.w.next == c.call {
					struck = true
					c.at(m)
				}
				return false
			}
			_, err := m.later(91*day, nil).Rotate(t.Context(), m.rotation("a", "b"))
			if credential.ReasonOf(err) != c.want {
				t.Errorf("the run that is disturbed: %v, want %s", err, c.want)
			}
			if c.call != "" && !struck {
				t.Fatal("it was not disturbed")
			}
			m.w.gate = nil
			m.gone(t, name != "the old token deleted", "a", "b")
			if c.restore != nil {
				c.restore(m)
			}
			for _, pause := range []time.Duration{time.Minute, 26 * time.Hour} {
				if _, err := m.later(pause, nil).Rotate(t.Context(), m.rotation("a", "b")); err != nil {
					t.Errorf("a run %s later: %v", pause, err)
				}
				m.consumersWork(t, "afterwards", "a", "b")
			}
			m.sound(t, "in the end", "a", "b")
			persons := slices.DeleteFunc(slices.Clone(m.tokens), func(t credential.ManagedToken) bool { return !strings.HasPrefix(t.ID, "person-") })
			if own := len(m.tokens) - len(persons); len(persons) != 4 || own != max(c.tokens, 1) {
				t.Errorf("%d tokens of the person and %d of purser's are left: %+v", len(persons), own, m.tokens)
			}
		})
	}
}

// TestAPlaceOfUnknownAgeIsNotOverwritten: ids that the store chose do not show their age.
func TestAPlaceOfUnknownAgeIsNotOverwritten(t *testing.T) {
	m := rotated(t, "a", "b")
	m.byHand("b")
	sh := m.w.shelf["b"]
	sh.versions[begun], sh.at[credential.Current], sh.at[credential.Previous] = sh.versions["hand"], begun, "hand"
	if _, err := m.finish(t, day, "a", "b"); err != nil {
		t.Fatal(err)
	}
	if at := sh.at[credential.Current]; at != begun {
		t.Errorf("b is now on %s", at)
	}
}

func (m *mint) mended() { clear(m.w.broken) }

func (m *mint) gone(t *testing.T, works bool, names ...string) {
	t.Helper()
	if works {
		m.consumersWork(t, "when it was disturbed", names...)
	}
}

func (m *mint) byHand(name string) {
	const token = "dckr_pat_FAKEhandFAKEhandFAKEhand01"
	m.w.good[token] = true
	m.tokens = append(m.tokens, credential.ManagedToken{ID: "by-hand", Label: "by hand", Created: m.now, Active: true})
	m.secret["by-hand"] = token
	sh := m.w.shelf[name]
	sh.versions["hand"] = credential.NewSecret(fmt.Sprintf(`{"username":"mockserver","token":%q}`, token))
	sh.at[credential.Previous], sh.at[credential.Current] = sh.at[credential.Current], "hand"
}
