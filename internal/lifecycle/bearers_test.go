package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// desk issues bearers to good tokens. They work until a time after they were issued,
// whatever becomes of the token.
type desk struct {
	m       *mint
	works   time.Duration // how long a bearer works; 0: as long as its token
	says    time.Duration // how long the registry says that it works
	none    bool          // it issues none
	fault   error         // instead of a bearer
	hiccups []error       // answers to the first questions after the token's end, in place of the truth
	asked   []time.Time   // when purser asked it after the token's end
	given   int
}

var errRefusal = errors.New("401") // a hiccup that looks like the bearer's end

func (d *desk) Issue(_ context.Context, _ credential.Credential, l credential.Login) (credential.Bearer, error) {
	token := l.Token.Reveal()
	switch {
	case d.fault != nil:
		return credential.Bearer{}, d.fault
	case !d.m.w.good[token]:
		return credential.Bearer{}, &credential.Fault{Reason: credential.TokenRefused, What: "the registry refused the token"}
	case d.none:
		return credential.Bearer{}, nil
	}
	d.given++
	until := d.m.now.Add(d.works)
	return credential.Bearer{Life: d.says, Accepted: func(context.Context) (credential.Verdict, error) {
		if d.m.w.good[token] {
			return credential.Granted, nil
		}
		d.asked = append(d.asked, d.m.now)
		if len(d.hiccups) > 0 {
			next := d.hiccups[0]
			d.hiccups = d.hiccups[1:]
			if errors.Is(next, errRefusal) {
				return credential.Refused, nil
			}
			if next != nil {
				return credential.Unknown, next
			}
		}
		if d.m.now.Before(until) {
			return credential.Granted, nil
		}
		return credential.Refused, nil
	}}, nil
}

// said returns the last line about bearers.
func said(events []lifecycle.Event) string {
	for _, e := range slices.Backward(events) {
		if e.Step == lifecycle.StepBearers {
			return e.Text
		}
	}
	return ""
}

const wholeWait = 15 * time.Minute

func TestRespondMeasuresHowLongTheLastBearerWorks(t *testing.T) {
	busy := &credential.Fault{Reason: credential.RateLimited, What: "429", Wait: 2 * time.Minute}
	down := &credential.Fault{Reason: credential.RegistryStrange, What: "503"}
	for name, c := range map[string]struct {
		desk desk
		says []string // parts of what is said
		not  string
	}{
		"five minutes, as the registry says": {desk{works: 5 * time.Minute, says: 6 * time.Minute}, []string{"no new bearer token since 2027-", "the last one stopped working after 5 min;", "none works after 2027-"}, "still"},
		"it ends with the token":             {desk{says: 6 * time.Minute}, []string{"the last one stopped working at once"}, "still"},
		"the registry does not say":          {desk{works: 3 * time.Minute}, []string{"after 3 min;", "none works after"}, "does not say"},
		"longer than purser waits":           {desk{works: 24 * time.Hour, says: 24 * time.Hour}, []string{"the last one still worked after 15 min;", "one issued before may work until 2027-", "at the latest"}, "stopped"},
		"longer than it says":                {desk{works: 24 * time.Hour, says: 6 * time.Minute}, []string{"still worked after 15 min;", "longer than the registry says"}, "at the latest"},
		"longer, and it does not say":        {desk{works: 24 * time.Hour}, []string{"still worked after 15 min;", "the registry does not say how long"}, "at the latest"},
		"one refusal is not the end":         {desk{works: 5 * time.Minute, says: 6 * time.Minute, hiccups: []error{errRefusal, nil, errRefusal, nil, errRefusal}}, []string{"after 5 min 2 s"}, "at once"},
		"no answer is not the end":           {desk{works: 5 * time.Minute, says: 6 * time.Minute, hiccups: []error{down, down, down, errCut, errCut}}, []string{"after 5 min;"}, "at once"},
		"a busy registry gets its pause":     {desk{works: time.Minute, says: 6 * time.Minute, hiccups: []error{nil, nil, busy}}, []string{"after 2 min 5 s"}, "at once"},
		"it never answers":                   {desk{works: 5 * time.Minute, says: 6 * time.Minute, hiccups: slices.Repeat([]error{down}, 1000)}, []string{"one issued before may work until"}, "stopped"},
		"it does not answer for a while":     {desk{works: time.Minute, says: 6 * time.Minute, hiccups: slices.Repeat([]error{down}, 40)}, []string{"stopped working within 3 min 15 s"}, "after 3 min"},
		"there are no bearers":               {desk{none: true}, []string{"issues no bearer tokens, so nothing outlives the token"}, "since"},
		"there was none before the end":      {desk{fault: down}, []string{"purser cannot ask with a bearer token: 503"}, "stopped"},
	} {
		m := rotated(t, "a")
		d := c.desk
		d.m = m
		var events []lifecycle.Event
		r := m.later(day, &events)
		r.Issuer = &d
		res, err := r.Respond(t.Context(), m.respond("a"))
		if err != nil || res.Ended.IsZero() {
			t.Fatalf("%s: %+v %v", name, res, err)
		}
		if !r.AwaitBearers(t.Context(), &res.Bearers, wholeWait) {
			t.Errorf("%s: it did not finish", name)
		}
		text := said(events)
		for _, part := range c.says {
			if !strings.Contains(text, part) || strings.Contains(text, c.not) {
				t.Errorf("%s: it says %q", name, text)
			}
		}
		for i := 1; i < len(d.asked); i++ {
			if pause := d.asked[i].Sub(d.asked[i-1]); pause > 3*time.Minute {
				t.Errorf("%s: it paused for %v", name, pause)
			}
		}
		if len(d.asked) > 200 {
			t.Errorf("%s: it asked %d times", name, len(d.asked))
		}
		m.sound(t, name, "a")
	}
}

// TestTheLastBearerMayBeYoungerThanPursers: the bound counts from when the registry was seen
// to refuse the token, not from when purser took its own bearer.
func TestTheLastBearerMayBeYoungerThanPursers(t *testing.T) {
	m := rotated(t, "a")
	r := m.later(day, nil)
	r.Issuer = &desk{m: m, works: 5 * time.Minute, says: 6 * time.Minute}
	m.slow = 20 * time.Second // to make the new token
	began := m.now
	res, err := r.Respond(t.Context(), m.respond("a"))
	if until := res.Bearers.Until(); err != nil || until.Before(began.Add(6*time.Minute+m.slow)) || res.Bearers.Ended.After(began) {
		t.Errorf("until %v after it began: %+v %v", until.Sub(began), res.Bearers, err)
	}
}

func TestWhenYouStopWaitingWhatIsKnownHolds(t *testing.T) {
	m := rotated(t, "a")
	var events []lifecycle.Event
	r := m.later(day, &events)
	r.Issuer = &desk{m: m, works: 5 * time.Minute, says: 6 * time.Minute}
	res, err := r.Respond(t.Context(), m.respond("a"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	waits := 0
	r.Wait = func(ctx context.Context, d time.Duration) error {
		if waits++; waits > 3 {
			stop()
			return ctx.Err()
		}
		m.now = m.now.Add(d)
		return nil
	}
	if r.AwaitBearers(ctx, &res.Bearers, wholeWait) {
		t.Error("it says that it finished")
	}
	if text := said(events); !strings.Contains(text, "still worked after 15 s") || !strings.Contains(text, "may work until") {
		t.Error(text)
	}
}

// TestWithoutTheDeadTokenABearerOfTheNextTellsHowLongTheyWork: an earlier run was killed
// after it had switched the token off.
func TestWithoutTheDeadTokenABearerOfTheNextTellsHowLongTheyWork(t *testing.T) {
	m := rotated(t, "a")
	delete(m.w.good, m.secret[m.tokens[0].ID])
	var events []lifecycle.Event
	r := m.later(day, &events)
	d := &desk{m: m, works: 5 * time.Minute, says: 6 * time.Minute}
	r.Issuer = d
	res, err := r.Respond(t.Context(), m.respond("a"))
	if want := res.Bearers.NoneSince.Add(6 * time.Minute); err != nil || !res.Bearers.Until().Equal(want) || d.given != 1 || len(d.asked) > 0 {
		t.Errorf("%+v %v, %d bearers", res.Bearers, err, d.given)
	}
	r.AwaitBearers(t.Context(), &res.Bearers, wholeWait)
	if text := said(events); !strings.Contains(text, "the token had ended before") {
		t.Error(text)
	}
}

// TestADeadTokenIsNotTriedForABearer: each refused login brings the account closer to being
// locked.
func TestADeadTokenIsNotTriedForABearer(t *testing.T) {
	m := rotated(t, "a")
	if _, err := m.later(0, nil).Revoke(t.Context(), m.rotation("a"), credential.Current); err != nil {
		t.Fatal(err)
	}
	m.w.revive()
	var events []lifecycle.Event
	if res, err := m.later(0, &events).Revoke(t.Context(), m.rotation("a"), credential.Current); err != nil || res.Bearers.NoneSince.IsZero() {
		t.Errorf("%+v %v", res, err)
	}
	if slices.Contains(m.w.calls, "Issue") || !strings.Contains(said(events), "purser does not know how long one issued before works") {
		t.Errorf("%v, said %q", m.w.calls, said(events))
	}
}

func TestARetirementSaysUntilWhenABearerMayWork(t *testing.T) {
	m := rotated(t, "a")
	r := m.later(91*day, nil)
	if _, err := r.Rotate(t.Context(), m.rotation("a")); err != nil {
		t.Fatal(err)
	}
	var events []lifecycle.Event
	r = m.later(2*day, &events)
	d := &desk{m: m, works: 24 * time.Hour, says: 24 * time.Hour}
	r.Issuer = d
	res, err := r.Rotate(t.Context(), m.rotation("a"))
	if err != nil || !res.Retired || !res.Bearers.Until().Equal(m.now.Add(day)) || len(d.asked) > 0 {
		t.Errorf("%+v %v, asked %v", res, err, d.asked)
	}
	if text := said(events); !strings.HasPrefix(text, "no new bearer token since ") || !strings.Contains(text, "one issued before may work until") {
		t.Error(text)
	}
}

// hung never answers.
type hung struct{}

func (hung) Issue(ctx context.Context, _ credential.Credential, _ credential.Login) (credential.Bearer, error) {
	<-ctx.Done()
	return credential.Bearer{}, ctx.Err()
}

func TestARegistryThatHangsDoesNotDelayTheEndOfALeakedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := rotated(t, "a")
		r := m.later(day, nil)
		r.Issuer = hung{}
		began := time.Now()
		res, err := r.Respond(t.Context(), m.respond("a"))
		if took := time.Since(began); err != nil || res.Ended.IsZero() || took > 10*time.Second {
			t.Errorf("%+v %v after %v", res, err, took)
		}
	})
}
