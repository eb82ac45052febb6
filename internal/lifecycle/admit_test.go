package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

const admitted = "dckr_pat_FAKEnewFAKEnewFAKEnew"

func TestATokenGoesToANewPlaceOnlyWithConsent(t *testing.T) {
	said := errors.New("the person said no")
	own, other, elsewhere := credential.MarkOf(someCredential), credential.Mark{Registry: "docker.io", Name: "release"}, credential.Mark{Registry: "ghcr.io", Name: "dockerhub"}
	for _, c := range []struct {
		name                   string
		mark                   credential.Mark
		given, trusted, rebind bool
		foreign, detour        bool // in another account; a way to the registry that only the configuration names
		dry                    bool
		asks                   bool // whether purser can ask a person
		stored                 bool
		reason                 credential.Reason
	}{
		{name: "its own place", mark: own, stored: true},
		{name: "a place in another account, which says that it is its own", mark: own, foreign: true, reason: credential.ConsentNeeded},
		{name: "a place in another account, given by a person", mark: own, foreign: true, given: true, stored: true},
		{name: "a place in another account, a trusted configuration", mark: own, foreign: true, trusted: true, stored: true},
		{name: "a way without consent", mark: own, detour: true, reason: credential.ConsentNeeded},
		{name: "a way without consent, given by a person", mark: own, detour: true, given: true, reason: credential.ConsentNeeded},
		{name: "a way without consent, in a dry run", mark: own, detour: true, dry: true, reason: credential.ConsentNeeded},
		{name: "a way that the person refuses", mark: own, detour: true, given: true, asks: true},
		{name: "a new place, nobody to ask", reason: credential.ConsentNeeded},
		{name: "a new place, given by a person", given: true, stored: true},
		{name: "a new place, a trusted configuration", trusted: true, stored: true},
		{name: "a new place, the person refuses", asks: true},
		{name: "another credential's place", mark: other, reason: credential.ConsentNeeded},
		{name: "another registry's place, given by a person", mark: elsewhere, given: true, reason: credential.BelongsElsewhere},
		{name: "another registry's place, a trusted configuration", mark: elsewhere, trusted: true, reason: credential.BelongsElsewhere},
		{name: "rebinding, nobody to ask", mark: elsewhere, given: true, trusted: true, rebind: true, reason: credential.ConsentNeeded},
		{name: "rebinding, the person refuses", mark: elsewhere, given: true, rebind: true, asks: true},
	} {
		w := newWorld(admitted)
		w.put("one", "purser-01936f5e-0000-7000-8000-000000000001", "dckr_pat_FAKEoldFAKEoldFAKEold").mark = c.mark
		cred := someCredential
		if c.foreign {
			w.shelf["one"].foreign = "999999999999"
		}
		if c.detour {
			cred.Via = credential.ViaOf([]byte("PEM"), nil)
		}
		r := w.runner(nil)
		r.Trusted = c.trusted
		if c.asks {
			r.Agree = func(context.Context, []lifecycle.NewPlace) error { return said }
		}
		found := false
		_, err := r.Store(t.Context(), lifecycle.StoreRequest{
			Credential: cred, Places: w.places("one"), Given: c.given, Rebind: c.rebind, DryRun: c.dry,
			Find: func(ctx context.Context) (lifecycle.Candidate, error) { found = true; return give(admitted)(ctx) },
		})
		switch {
		case c.stored && (err != nil || !w.shelf["one"].mark.Is(own)):
			t.Errorf("%s: %v, marked %v", c.name, err, w.shelf["one"].mark)
		case !c.stored && (err == nil || found || len(w.shelf["one"].versions) != 1 || w.shelf["one"].mark != c.mark):
			t.Errorf("%s: it was stored, or asked for in vain (%v)", c.name, err)
		case c.reason != "" && credential.ReasonOf(err) != c.reason:
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestRebindingDoesNotClaimTheOldRegistrysToken(t *testing.T) {
	w := newWorld(admitted)
	sh := w.put("one", "purser-01936f5e-0000-7000-8000-000000000001", "FAKE-old")
	sh.mark = credential.Mark{Registry: "ghcr.io", Name: "dockerhub"}
	r := w.runner(nil)
	r.Trusted, r.Agree = false, func(_ context.Context, all []lifecycle.NewPlace) error {
		if len(all) != 1 || all[0].Mark.Registry != "ghcr.io" {
			t.Errorf("asked about %v", all)
		}
		return nil
	}
	if _, err := r.Store(t.Context(), lifecycle.StoreRequest{Credential: someCredential, Places: w.places("one"), Rebind: true, Given: true, Find: give(admitted)}); err != nil {
		t.Fatal(err)
	}
	if now, before := sh.mark.For(sh.at[credential.Current], credential.Current), sh.mark.For(sh.at[credential.Previous], credential.Previous); now != "docker.io" || before != credential.Elsewhere {
		t.Errorf("what is current belongs to %s, and what was before to %s", now, before)
	}
}

// TestAPlaceIsMarkedBeforeItHoldsAToken: an interrupted run leaves no unmarked value.
func TestAPlaceIsMarkedBeforeItHoldsAToken(t *testing.T) {
	w := newWorld(admitted)
	if _, err := w.runner(nil).Store(t.Context(), lifecycle.StoreRequest{Credential: someCredential, Places: w.places("one"), Create: true, Find: give(admitted)}); err != nil {
		t.Fatal(err)
	}
	bind, stage := slices.Index(w.calls, "Bind one"), slices.Index(w.calls, "Stage one")
	if bind < 0 || bind > stage {
		t.Errorf("the calls were %s", strings.Join(w.calls, ", "))
	}
}
