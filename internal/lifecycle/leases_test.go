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

type leases map[credential.VersionID]*process

// process is a run; once it is dead, its calls have no effect.
type process struct {
	leases
	dead func() bool
	left map[credential.VersionID]bool
}

func (l leases) process(dead func() bool) *process {
	return &process{l, dead, map[credential.VersionID]bool{}}
}

func (p *process) Take(id credential.VersionID) (end func(left bool)) {
	if p.dead() {
		return func(bool) {}
	}
	p.leases[id] = p
	return func(left bool) {
		switch {
		case p.dead():
		case left:
			p.left[id] = true
		default:
			delete(p.leases, id)
		}
	}
}

func (p *process) Abandoned(id credential.VersionID) bool {
	by := p.leases[id]
	return by != nil && (by.dead() || by.left[id])
}

func (p *process) Forget(id credential.VersionID) { delete(p.leases, id) }

// TestTheNextRunOnTheSameMachineDoesNotWait cuts a minting run at each of its calls. The
// next run does not wait if the first had not begun to store, and finishes everything.
func TestTheNextRunOnTheSameMachineDoesNotWait(t *testing.T) {
	cases := 0
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			w := newWorld(oldToken)
			w.put("a", "v1", oldToken)
			m := newMint(w)
			shared := leases{}
			dead := false
			w.cutAt, w.after = n, after
			r := m.later(0, nil)
			r.Leases = shared.process(func() bool { return dead || w.dead })
			if _, err := r.Store(t.Context(), m.request("a")); err == nil {
				break
			}
			dead = true
			calls := slices.Clone(w.calls)
			what := fmt.Sprintf("call %d, %s, after %t", n, calls[n-1], after)
			w.revive()
			began := m.now
			var events []lifecycle.Event
			r = m.later(time.Second, &events)
			r.Leases = shared.process(func() bool { return false })
			if _, err := r.Store(t.Context(), m.request("a")); err != nil {
				t.Errorf("%s: the next run: %v", what, err)
			}
			m.sound(t, what, "a")
			stored := slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "Stage") })
			if waited := m.now.Sub(began) - time.Second; !stored && waited > 5*time.Second {
				t.Errorf("%s: the next run waited %s", what, waited)
			}
			if len(shared) > 1 {
				t.Errorf("%s: %d leases are left", what, len(shared))
			}
			tried(t, "store --mint, one machine", calls[n-1], how(after))
			cases++
		}
	}
	if cases < 15 {
		t.Errorf("only %d cases", cases)
	}
}

func TestAWaitIsAnnounced(t *testing.T) {
	w := newWorld(oldToken)
	w.put("a", "v1", oldToken)
	m := newMint(w)
	w.cutAt = 6 // the call that stages
	if _, err := m.later(0, nil).Store(t.Context(), m.request("a")); err == nil {
		t.Fatal("it was not cut")
	}
	w.revive()
	var events []lifecycle.Event
	r := m.later(10*time.Second, &events)
	pause := r.Wait
	r.Wait = func(ctx context.Context, d time.Duration) error {
		if last := events[len(events)-1]; !strings.Contains(last.Text, "waiting 50s") {
			t.Errorf("before the wait it said %q", last.Text)
		}
		return pause(ctx, d)
	}
	if _, err := r.Store(t.Context(), m.request("a")); err != nil {
		t.Fatal(err)
	}
}
