package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

// begun is the version that the store's schedule chose.
const begun credential.VersionID = "4f1c2d3e-0000-4000-8000-00000000abcd"

// scheduled returns a world in which a minted token has been current for a while and the
// store begins a rotation of the first place.
func scheduled(t *testing.T, names ...string) *mint {
	t.Helper()
	m := rotated(t, names...)
	m.now = m.now.Add(90 * day)
	m.begin(names[0], begun)
	return m
}

func (m *mint) begin(name string, id credential.VersionID) {
	m.w.shelf[name].rotating = true
	m.w.shelf[name].at[credential.Pending] = id
}

func (m *mint) step(t *testing.T, step int, id credential.VersionID, names ...string) error {
	t.Helper()
	r, req := m.later(time.Second, nil), m.request(names...)
	req.Create, req.Version = false, id
	var err error
	switch step {
	case 0:
		_, err = r.StageScheduled(t.Context(), req)
	case 1:
		err = r.ProveScheduled(t.Context(), req)
	default:
		_, err = r.FinishScheduled(t.Context(), req)
	}
	return err
}

func (m *mint) steps(t *testing.T, id credential.VersionID, names ...string) error {
	t.Helper()
	for step := range 3 {
		if err := m.step(t, step, id, names...); err != nil {
			return err
		}
	}
	return nil
}

func (m *mint) finish(t *testing.T, after time.Duration, names ...string) (lifecycle.RotateResult, error) {
	t.Helper()
	req := m.rotation(names...)
	req.Create, req.Finish = false, true
	return m.later(after, nil).Rotate(t.Context(), req)
}

func TestAScheduledRotationRunsAllSteps(t *testing.T) {
	m := scheduled(t, "a", "b")
	old := m.tokens[0]
	if err := m.steps(t, begun, "a", "b"); err != nil {
		t.Fatal(err)
	}
	m.sound(t, "afterwards", "a", "b")
	if at := m.w.shelf["a"].at[credential.Current]; at != begun || m.w.shelf["b"].at[credential.Current] != begun {
		t.Errorf("current is %s", at)
	}
	if err := m.steps(t, begun, "a", "b"); err != nil || len(m.tokens) != 2 {
		t.Errorf("done again: %v, %d tokens", err, len(m.tokens))
	}
	res, err := m.finish(t, time.Hour, "a", "b")
	if err != nil || res.Due || res.Wait == 0 || len(m.tokens) != 2 {
		t.Fatalf("in the overlap: %+v %v", res, err)
	}
	res, err = m.finish(t, day, "a", "b")
	if err != nil || !res.Retired || len(m.tokens) != 1 || len(res.Ended) != 1 || res.Ended[0].ID != old.ID {
		t.Fatalf("after the overlap: %+v %v", res, err)
	}
	if res, err = m.finish(t, 300*day, "a", "b"); err != nil || res.Due {
		t.Errorf("much later: %+v %v", res, err)
	}
	m.begin("a", begun+"2")
	if err := m.steps(t, begun+"2", "a", "b"); err != nil {
		t.Fatal(err)
	}
	if res, err = m.finish(t, 25*time.Hour, "a", "b"); err != nil || !res.Retired || len(m.tokens) != 1 {
		t.Errorf("the one after: %+v %v", res, err)
	}
}

func TestAScheduledStepFailsUnlessItsRotationIsUnderWay(t *testing.T) {
	for name, change := range map[string]func(*shelf){
		"cancelled":                func(s *shelf) { delete(s.at, credential.Pending) },
		"somebody else's version":  func(s *shelf) { s.at[credential.Pending] = "elsewhere" },
		"rotation is switched off": func(s *shelf) { s.rotating = false },
		"a run of purser's":        func(s *shelf) { s.at[credential.Pending] = "purser-01936f5e-0000-7000-8000-000000000001" },
	} {
		for step := range 3 {
			m := scheduled(t, "a")
			change(m.w.shelf["a"])
			if err := m.step(t, step, begun, "a"); credential.ReasonOf(err) != credential.MidRotation || len(m.tokens) != 1 {
				t.Errorf("%s, step %d: %v, %d tokens", name, step, err, len(m.tokens))
			}
		}
	}
	for step := 1; step < 3; step++ {
		m := scheduled(t, "a")
		if err := m.step(t, step, begun, "a"); credential.ReasonOf(err) != credential.SecretEmpty {
			t.Errorf("step %d before the first: %v", step, err)
		}
	}
}

// TestAScheduledRotationIsCutAtEveryCall cuts the steps at each of their calls. The store
// repeats them with the same version.
func TestAScheduledRotationIsCutAtEveryCall(t *testing.T) {
	cases := 0
	for _, after := range []bool{false, true} {
		for n := 1; ; n++ {
			what := fmt.Sprintf("call %d, after %t", n, after)
			m := scheduled(t, "a", "b")
			m.w.cutAt, m.w.after = n, after
			if err := m.steps(t, begun, "a", "b"); err == nil {
				break
			}
			m.consumersWork(t, what, "a", "b")
			call := m.w.calls[n-1]
			m.w.revive()
			if err := m.steps(t, begun, "a", "b"); err != nil {
				t.Errorf("%s: once more: %v", what, err)
			}
			m.sound(t, what, "a", "b")
			if _, err := m.finish(t, 26*time.Hour, "a", "b"); err != nil {
				t.Errorf("%s: the day after: %v", what, err)
			}
			if m.sound(t, what, "a", "b"); len(m.tokens) != 1 {
				t.Errorf("%s: %d tokens are left", what, len(m.tokens))
			}
			tried(t, "rotation of the store's", call, how(after))
			cases++
		}
	}
	t.Logf("%d cases", cases)
	if cases < 50 {
		t.Errorf("only %d cases", cases)
	}
}

// TestAScheduledRotationIsInvokedTwice has a second process do all steps at each call of
// the first one.
func TestAScheduledRotationIsInvokedTwice(t *testing.T) {
	cases := 0
	for n := 1; ; n++ {
		what := fmt.Sprintf("call %d", n)
		m := scheduled(t, "a", "b")
		calls, met := 0, false
		m.w.gate = func() bool {
			if calls++; calls == n && !met {
				met = true
				_ = m.steps(t, begun, "a", "b") // it may fail
			}
			return false
		}
		_ = m.steps(t, begun, "a", "b")
		if !met {
			break
		}
		m.w.gate = nil
		m.consumersWork(t, what, "a", "b")
		if err := m.steps(t, begun, "a", "b"); err != nil {
			t.Errorf("%s: once more: %v", what, err)
		}
		m.sound(t, what, "a", "b")
		if _, err := m.finish(t, 26*time.Hour, "a", "b"); err != nil {
			t.Errorf("%s: the day after: %v", what, err)
		}
		if m.sound(t, what, "a", "b"); len(m.tokens) != 1 {
			t.Errorf("%s: %d tokens are left", what, len(m.tokens))
		}
		tried(t, "rotation of the store's", what, "another process does all of it")
		cases++
	}
	t.Logf("%d cases", cases)
	if cases < 20 {
		t.Errorf("only %d cases", cases)
	}
}

func TestAnAbandonedRotationLeavesNothing(t *testing.T) {
	m := scheduled(t, "a", "b")
	if err := m.step(t, 0, begun, "a", "b"); err != nil {
		t.Fatal(err)
	}
	req := m.request("a", "b")
	req.Version = begun
	if err := m.later(0, nil).AbandonScheduled(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	if err := m.step(t, 1, begun, "a", "b"); credential.ReasonOf(err) != credential.MidRotation {
		t.Errorf("a step afterwards: %v", err)
	}
	if _, err := m.finish(t, time.Hour, "a", "b"); err != nil || len(m.tokens) != 1 {
		t.Errorf("the next look: %v, %d tokens", err, len(m.tokens))
	}
	m.sound(t, "afterwards", "a", "b")
}

func TestStoreWaitsForCopiesInOtherRegions(t *testing.T) {
	for name, c := range map[string]struct {
		copies []credential.Replica
		after  int // how many looks until they are in sync; 0: never
		want   credential.Reason
	}{
		"in sync":  {[]credential.Replica{{Region: "eu-west-1", InSync: true}}, 0, ""},
		"soon":     {[]credential.Replica{{Region: "eu-west-1"}}, 3, ""},
		"failed":   {[]credential.Replica{{Region: "eu-west-1", InSync: true}, {Region: "us-east-1", Failed: true, Why: "no key"}}, 0, credential.ReplicaBehind},
		"too slow": {[]credential.Replica{{Region: "us-east-1"}}, 0, credential.ReplicaBehind},
	} {
		m := rotated(t, "a")
		sh, waited := m.w.shelf["a"], 0
		sh.replicas = c.copies
		r := m.later(91*day, nil)
		r.Wait = func(_ context.Context, d time.Duration) error {
			m.now = m.now.Add(d)
			if waited++; waited == c.after {
				sh.replicas[0].InSync = true
			}
			return nil
		}
		_, err := r.Rotate(t.Context(), m.rotation("a"))
		if credential.ReasonOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if f, ok := errors.AsType[*credential.Fault](err); ok && f.Target.Name != "a" {
			t.Errorf("%s: the place is not named", name)
		}
		m.consumersWork(t, name, "a")
		if c.want == "" {
			continue
		}
		// The copy's readers still use the old token: it must live.
		res, err := m.later(26*time.Hour, nil).Rotate(t.Context(), m.rotation("a"))
		if err != nil || res.Retired || !strings.Contains(res.Waiting, "the copy of a in us-east-1") || len(m.tokens) != 2 {
			t.Errorf("%s, after the overlap: %+v %v", name, res, err)
		}
		sh.replicas = nil
		if res, err = m.later(time.Hour, nil).Rotate(t.Context(), m.rotation("a")); err != nil || !res.Retired {
			t.Errorf("%s, when the copy is gone: %+v %v", name, res, err)
		}
	}
}
