package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

func TestAMintedTokenLivesForItsScheduleTheOverlapAndAMargin(t *testing.T) {
	for name, c := range map[string]struct {
		every, overlap time.Duration
		want           time.Duration
	}{
		"every 90 days": {90 * day, 24 * time.Hour, 98 * day}, "the usual overlap": {30 * day, 0, 38 * day},
		"a long overlap": {30 * day, 10 * day, 47 * day}, "no longer than a year": {365 * day, day, 365 * day}, "no schedule": {0, day, 0},
	} {
		got := lifecycle.Life(credential.Credential{Rotate: credential.Rotation{Every: c.every, Overlap: c.overlap}})
		if got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestTheEndOfAMintedToken is what the registry says that it is, noted where it is stored,
// and said where it is another one than was asked for.
func TestTheEndOfAMintedToken(t *testing.T) {
	for name, c := range map[string]struct {
		every   time.Duration
		expires time.Duration // --expires; 0: none
		ends    func(time.Time) time.Time
		want    time.Duration // noted; 0: none
		told    string
	}{
		"by its schedule":         {every: 90 * day, want: 98 * day, told: "good until "},
		"as a person says":        {every: 90 * day, expires: 10 * day, want: 10 * day, told: "good until "},
		"without a schedule":      {told: "without an expiry date: purser.yaml has no rotate.every"},
		"capped":                  {every: 90 * day, ends: func(t time.Time) time.Time { return t.Add(-68 * day) }, want: 30 * day, told: "the registry set the expiry date "},
		"ignored":                 {every: 90 * day, ends: func(time.Time) time.Time { return time.Time{} }, told: "the registry set no expiry date; purser asked for "},
		"given though not asked":  {ends: func(time.Time) time.Time { return newMint(nil).now.Add(5 * day) }, want: 5 * day, told: "purser asked for none"},
		"rounded by the registry": {every: 90 * day, ends: func(t time.Time) time.Time { return t.Truncate(time.Second) }, want: 98 * day, told: "good until "},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(oldToken)
			w.put("a", "v1", oldToken)
			m := newMint(w)
			m.ends = c.ends
			var events []lifecycle.Event
			req := m.request("a")
			req.Credential.Rotate = credential.Rotation{Every: c.every, Overlap: day}
			if c.expires > 0 {
				req.Expires = m.now.Add(c.expires)
			}
			res, err := m.later(0, &events).Store(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			want := time.Time{}
			if c.want > 0 {
				want = m.now.Add(c.want)
			}
			if got := w.shelf["a"].expires; got.Sub(want).Abs() > time.Minute || !res.Expires.Equal(got) {
				t.Errorf("noted %v, result %v, want %v", got, res.Expires, want)
			}
			var said strings.Builder
			for _, e := range events {
				said.WriteString(e.Text + "\n")
			}
			if !strings.Contains(said.String(), c.told) {
				t.Errorf("%q is not said:\n%s", c.told, said.String())
			}
			if name == "rounded by the registry" && strings.Contains(said.String(), "another end") {
				t.Errorf("a second is no difference:\n%s", said.String())
			}
		})
	}
}

// TestAnEndThatCannotBeNotedIsNoFailure: a runner that may not tag the secret rotated well
// before there was an end to note.
func TestAnEndThatCannotBeNotedIsNoFailure(t *testing.T) {
	for name, asked := range map[string]bool{"by its schedule": false, "as a person says": true} {
		w := newWorld(oldToken)
		w.put("a", "v1", oldToken)
		w.broken["SetExpiry a"] = refusal(credential.AccessDenied)
		m := newMint(w)
		var events []lifecycle.Event
		req := m.request("a")
		req.Credential.Rotate.Every = 90 * day
		if asked {
			req.Expires = m.now.Add(day)
		}
		_, err := m.later(0, &events).Store(t.Context(), req)
		if (err != nil) != asked {
			t.Errorf("%s: %v", name, err)
		}
	}
}
