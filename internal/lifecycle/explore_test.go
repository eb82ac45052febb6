package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"purser/internal/credential"
)

// player is a runner that takes turns: a step is a call to the outside and everything up to
// the next one.
type player struct {
	turn  chan struct{}
	ready chan struct{}
	made  time.Time // when its token was made
	over  bool      // it has ended
	dead  bool      // it was killed: its calls have no effect
	err   error
}

// table makes players take turns in one world.
type table struct {
	m      *mint
	active *player
}

func newTable(m *mint) *table {
	t := &table{m: m}
	m.w.gate = func() bool {
		p := t.active
		if p == nil {
			return false
		}
		p.ready <- struct{}{}
		<-p.turn
		return p.dead
	}
	// A request ends at its time limit: a token made half a minute ago cannot be staged any
	// more.
	const stageLimit = 30 * time.Second
	m.w.late = func() bool {
		return t.active != nil && !t.active.made.IsZero() && m.now.Sub(t.active.made) > stageLimit
	}
	m.onMint = func() {
		if t.active != nil {
			t.active.made = m.now
		}
	}
	return t
}

func (t *table) join(run func() error) *player {
	p := &player{turn: make(chan struct{}), ready: make(chan struct{})}
	go func() {
		<-p.turn
		p.err = run()
		p.over = true
		p.ready <- struct{}{}
	}()
	t.step(p) // to its first call
	return p
}

func (t *table) step(p *player) {
	if p.over {
		return
	}
	t.active = p
	p.turn <- struct{}{}
	<-p.ready
	t.active = nil
}

// TestTwoRunnersInEveryOrder runs two rotations at once: the first stops after any number
// of its calls, the second after any number of its own, then both finish or one is killed
// there. Consumers read after each call. At the end one plain run must leave exactly one
// good token, held by all targets.
func TestTwoRunnersInEveryOrder(t *testing.T) {
	cases := 0
	for n := range 8 {
		fate := []string{"both finish", "the first is killed", "the second is killed", "both are killed"}[n/2]
		sameMachine := n%2 == 1
		for i := 0; ; i++ {
			longest := false // the first has no more calls
			for j := 0; ; j++ {
				what := fmt.Sprintf("%s, after %d and %d calls, on one machine %t", fate, i, j, sameMachine)
				first, second := play(t, what, fate, i, j, sameMachine)
				tried(t, "two runners", fmt.Sprintf("after %d and %d calls", i, j), fate)
				cases++
				longest = first
				if second {
					break
				}
			}
			if longest {
				break
			}
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d cases", cases)
	if cases < 2000 {
		t.Errorf("only %d cases", cases)
	}
}

// play plays one order, and reports whether each player had fewer calls than allowed.
func play(t *testing.T, what, fate string, i, j int, sameMachine bool) (first, second bool) {
	t.Helper()
	m := rotated(t, "a")
	m.now = m.now.Add(91 * day)
	table := newTable(m)
	shared := leases{}
	runner := func(seed byte, dead func() bool) func() error {
		return func() error {
			r := m.w.runner(nil)
			if sameMachine {
				r.Leases = shared.process(dead)
			}
			r.Now = func() time.Time { return m.now }
			r.Random = &random{n: seed}
			// Waiting lets time pass for all.
			r.Wait = func(_ context.Context, d time.Duration) error { m.now = m.now.Add(d); return nil }
			_, err := r.Rotate(t.Context(), m.rotation("a"))
			return err
		}
	}
	step := func(p *player, n int) (all bool) {
		for range n {
			if p.over {
				return true
			}
			table.step(p)
			m.consumersWork(t, what, "a")
		}
		return p.over
	}
	var a, b *player
	a = table.join(runner(40, func() bool { return a.dead }))
	b = table.join(runner(90, func() bool { return b.dead }))
	first = step(a, i)
	second = step(b, j)
	a.dead = fate == "the first is killed" || fate == "both are killed"
	b.dead = fate == "the second is killed" || fate == "both are killed"
	for _, p := range []*player{a, b} {
		for !p.over {
			table.step(p)
			m.consumersWork(t, what, "a")
		}
	}
	for _, p := range []*player{a, b} {
		// A player that was stopped past its time limit may fail.
		slow := errors.Is(p.err, errCut) || credential.ReasonOf(p.err) == credential.StoreUnreachable
		if !p.dead && p.err != nil && !slow {
			t.Errorf("%s: one that was not killed ended with %v", what, p.err)
		}
	}
	m.w.gate, m.w.late = nil, nil
	for _, pause := range []time.Duration{2 * time.Minute, 26 * time.Hour, 26 * time.Hour} {
		r := m.later(pause, nil)
		r.Random = &random{n: 200}
		if sameMachine {
			r.Leases = shared.process(func() bool { return false })
		}
		if _, err := r.Rotate(t.Context(), m.rotation("a")); err != nil {
			t.Errorf("%s: a run %s later: %v (first: %v, second: %v)", what, pause, err, a.err, b.err)
		}
		m.consumersWork(t, what, "a")
	}
	m.sound(t, what, "a")
	if len(m.tokens) != 1 {
		t.Errorf("%s: %d tokens are left", what, len(m.tokens))
	}
	return first, second
}
