package lifecycle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

func TestCheckReadsAsAConsumerAndProves(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(w *world)
		want    credential.Verdict
		reason  credential.Reason
	}{
		"good":              {func(*world) {}, credential.Granted, ""},
		"revoked":           {func(w *world) { w.good = nil }, credential.Refused, credential.TokenRefused},
		"no answer":         {func(w *world) { w.broken["Prove"] = errCut }, credential.Unknown, credential.RegistryUnreachable},
		"missing":           {func(w *world) { delete(w.shelf, "a") }, credential.Unknown, credential.SecretMissing},
		"empty":             {func(w *world) { w.put("a", "", "") }, credential.Refused, credential.SecretEmpty},
		"not JSON":          {func(w *world) { w.shelf["a"].versions["v1"] = credential.NewSecret("x") }, credential.Refused, credential.ValueStrange},
		"another account's": {func(w *world) { w.shelf["a"].versions["v1"] = credential.NewSecret(`{"username":"x","token":"y"}`) }, credential.Refused, credential.WrongOwner},
	} {
		w := newWorld(oldToken)
		w.put("a", "v1", oldToken)
		c.prepare(w)
		res := w.runner(nil).Check(t.Context(), []lifecycle.Work{{Credential: someCredential, Places: w.places("a")}}, nil)[0]
		if res.Verdict != c.want || c.reason != "" && (res.Places[0].Fault == nil || res.Places[0].Fault.Reason != c.reason) {
			t.Errorf("%s: %v %v, want %v %v", name, res.Verdict, res.Places[0].Fault, c.want, c.reason)
		}
		refuseCalls(t, w, "Stage", "Promote", "Create", "Unstage")
	}
}

func TestCheckShowsAWrongTokenToTheRegistryOnlyOnce(t *testing.T) {
	w := newWorld()
	w.put("a", "v1", oldToken)
	w.put("b", "v1", oldToken)
	w.runner(nil).Check(t.Context(), []lifecycle.Work{{Credential: someCredential, Places: w.places("a", "b")}}, nil)
	if n := strings.Count(strings.Join(w.calls, " "), "Prove"); n != 1 {
		t.Errorf("the registry was asked %d times", n)
	}
}

func TestCheckKeepsTheOrderOfTheWork(t *testing.T) {
	w := newWorld(oldToken)
	var work []lifecycle.Work
	for i := range 100 {
		name := fmt.Sprintf("s%d", i)
		w.put(name, "v1", oldToken)
		c := someCredential
		c.Name = credential.Name(name)
		work = append(work, lifecycle.Work{Credential: c, Places: w.places(name)})
	}
	seen := 0
	for i, res := range w.runner(nil).Check(t.Context(), work, func(int, lifecycle.CheckResult) { seen++ }) {
		if res.Name != work[i].Credential.Name || res.Verdict != credential.Granted {
			t.Fatalf("result %d is %s, %v", i, res.Name, res.Verdict)
		}
	}
	if seen != 100 {
		t.Errorf("done was called %d times", seen)
	}
}

func TestStatusSaysWhatLagsAndWhatIsMissingWithoutReading(t *testing.T) {
	w := newWorld()
	r := w.runner(nil)
	now := r.Now()
	older, err := credential.NewVersionID(now.Add(-100*24*time.Hour), &random{}, "")
	if err != nil {
		t.Fatal(err)
	}
	newer, err := credential.NewVersionID(now.Add(-time.Hour), &random{}, "")
	if err != nil {
		t.Fatal(err)
	}
	w.put("old", string(older), oldToken)
	w.put("new", string(newer), newToken)
	w.put("empty", "", "")
	w.put("by AWS", string(begun), oldToken)
	w.put("by purser", string(newer), newToken)
	w.put("rotating", "aws", oldToken).at[credential.Pending] = "somebody"
	w.put("interrupted", "aws", oldToken).at[credential.Pending] = "purser-x"
	w.put("expired", "aws", oldToken).expires = now.Add(-time.Hour)
	c := someCredential
	c.Rotate.Every = 90 * 24 * time.Hour
	rows := r.Status(t.Context(), []lifecycle.Work{
		{Credential: c, Places: w.places("old", "new")},
		{Credential: someCredential, Places: w.places("by AWS", "by purser")},
		{Credential: someCredential, Places: w.places("missing", "empty", "rotating", "interrupted", "expired")},
	}, nil)
	want := map[string]string{
		"old": "lags behind another place of this credential, rotation is due", "new": "",
		"by AWS": "another place of this credential holds another version", "by purser": "another place of this credential holds another version",
		"missing": "SecretMissing", "empty": "empty", "rotating": "a rotation is under way",
		"interrupted": "a run was interrupted", "expired": "the token has expired",
	}
	for _, row := range rows {
		got := strings.Join(row.Notes, ", ")
		if row.Fault != nil && row.Fault.Reason == credential.SecretMissing {
			got = "SecretMissing"
		}
		if got != want[row.Target.Name] {
			t.Errorf("%s: %q, want %q", row.Target, got, want[row.Target.Name])
		}
	}
	if !rows[0].Exact || rows[0].Due.IsZero() {
		t.Error("the age of a version made by purser is not exact")
	}
	if slices.ContainsFunc(w.calls, func(c string) bool { return strings.HasPrefix(c, "Read") }) {
		t.Error("status read a value")
	}
}
