// Package storetest states the contract of stores as laws, for the tests of each kind.
package storetest

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/store"
)

// Subject is a store under test. Open returns a store of a target of that name; two stores
// of one name act as two processes.
type Subject struct {
	Name string
	Open func(t *testing.T, name string) store.Store
	// Deviations maps the laws that the software behind the store breaks to how it does.
	Deviations map[string]string
}

func id(n int) credential.VersionID {
	return credential.VersionID(fmt.Sprintf("purser-00000000-0000-7000-8000-%012d", n))
}

func value(text string) credential.Secret { return credential.NewSecret(text) }

// world is one target under a law.
type world struct {
	*testing.T
	store.Store
	again func() store.Store // another process at the same target
}

// laws are the contract, one behaviour each.
var laws = map[string]func(w world){
	"a target that does not exist is missing": func(w world) {
		_, err := w.Describe(w.Context())
		w.reason(err, credential.SecretMissing)
		_, _, err = w.Read(w.Context(), credential.Current)
		w.reason(err, credential.SecretMissing)
	},
	"creating twice is creating once": func(w world) {
		w.must(w.Create(w.Context()))
		w.must(w.Create(w.Context()))
		_, _, err := w.Read(w.Context(), credential.Current)
		w.reason(err, credential.SecretEmpty)
		if d := w.describe(); len(d.Versions) != 0 {
			w.Errorf("an empty target is described with %d versions", len(d.Versions))
		}
	},
	"every process sees a mark, which stays": func(w world) {
		w.with(1)
		if d := w.describe(); !d.Mark.IsZero() {
			w.Errorf("it is marked %v before anybody marked it", d.Mark)
		}
		mark := credential.Mark{Registry: "registry.example.net:5000", Name: "app"}
		w.must(w.Bind(w.Context(), mark))
		w.must(w.Bind(w.Context(), mark))
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.must(w.Promote(w.Context(), id(2), id(1)))
		d, err := w.again().Describe(w.Context())
		w.must(err)
		if d.Mark != mark {
			w.Errorf("it is marked %v, want %v", d.Mark, mark)
		}
		w.holds(credential.Current, id(2), "two")
		w.holds(credential.Previous, id(1), "v1")
	},
	"an empty target can be marked": func(w world) {
		w.must(w.Create(w.Context()))
		w.must(w.Bind(w.Context(), credential.Mark{Registry: "other.example.net", Name: "app"}))
		w.must(w.Stage(w.Context(), id(1), value("one")))
		w.holds(credential.Current, id(1), "one")
	},
	"another registry's mark does not cover earlier values": func(w world) {
		const late = credential.VersionID("purser-00000001-0000-7000-8000-000000000001")
		w.with(1)
		w.must(w.Bind(w.Context(), credential.Mark{Registry: "registry.example.net", Name: "app"}))
		w.must(w.Bind(w.Context(), credential.Mark{Registry: "other.example.net", Name: "app", Since: late}))
		w.must(w.Stage(w.Context(), late, value("two")))
		w.must(w.Promote(w.Context(), late, id(1)))
		mark := w.describe().Mark
		if now, before := mark.For(late, credential.Current), mark.For(id(1), credential.Previous); now != "other.example.net" || before != credential.Elsewhere {
			w.Errorf("the current version belongs to %s, the previous one to %s", now, before)
		}
		w.holds(credential.Current, late, "two")
		w.holds(credential.Previous, id(1), "v1")
	},
	"the first version becomes current": func(w world) {
		w.must(w.Create(w.Context()))
		w.must(w.Stage(w.Context(), id(1), value("one")))
		w.holds(credential.Current, id(1), "one")
	},
	"staging keeps the current version": func(w world) {
		w.with(1)
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.holds(credential.Current, id(1), "v1")
		w.holds(credential.Pending, id(2), "two")
	},
	"staging the same version again changes nothing": func(w world) {
		w.with(1)
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.holds(credential.Pending, id(2), "two")
	},
	"staging a promoted version again keeps it promoted": func(w world) {
		w.with(1)
		w.must(w.Stage(w.Context(), id(1), value("v1")))
		w.holds(credential.Current, id(1), "v1")
		w.free()
	},
	"a version id is used once": func(w world) {
		w.with(1)
		w.must(w.Stage(w.Context(), id(2), value("two")))
		err := w.Stage(w.Context(), id(2), value("other"))
		if w.reason(err, credential.StoreRefused); !credential.Untouched(err) {
			w.Error("the error is not Untouched")
		}
		w.holds(credential.Pending, id(2), "two")
	},
	"pending is on one version at most": func(w world) {
		w.with(1)
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.must(w.Stage(w.Context(), id(3), value("three")))
		w.holds(credential.Pending, id(3), "three")
		w.holds(credential.Current, id(1), "v1")
	},
	"promoting moves all three stages": func(w world) {
		w.with(1)
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.must(w.Promote(w.Context(), id(2), id(1)))
		w.holds(credential.Current, id(2), "two")
		w.holds(credential.Previous, id(1), "v1")
		w.free()
	},
	"promoting twice does no harm": func(w world) {
		w.with(1)
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.must(w.Promote(w.Context(), id(2), id(1)))
		w.must(w.Promote(w.Context(), id(2), id(1)))
		w.holds(credential.Current, id(2), "two")
		w.holds(credential.Previous, id(1), "v1")
	},
	"promoting the first version clears pending": func(w world) {
		w.must(w.Create(w.Context()))
		w.must(w.Stage(w.Context(), id(1), value("one")))
		w.must(w.Promote(w.Context(), id(1), id(1)))
		w.holds(credential.Current, id(1), "one")
		w.free()
	},
	"promoting from a version that is no longer current is refused": func(w world) {
		w.with(1)
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.must(w.Promote(w.Context(), id(2), id(1)))
		w.must(w.Stage(w.Context(), id(3), value("three")))
		w.reason(w.Promote(w.Context(), id(3), id(1)), credential.MidRotation)
		w.holds(credential.Current, id(2), "two")
		w.holds(credential.Previous, id(1), "v1")
		w.holds(credential.Pending, id(3), "three")
	},
	"unstaging clears pending, only for its version": func(w world) {
		w.with(1)
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.must(w.Unstage(w.Context(), id(1)))
		w.holds(credential.Pending, id(2), "two")
		w.must(w.Unstage(w.Context(), id(2)))
		w.must(w.Unstage(w.Context(), id(2)))
		w.free()
		w.holds(credential.Current, id(1), "v1")
	},
	"versions that purser did not make are moved like its own": func(w world) {
		const theirs = credential.VersionID("11111111-2222-4333-8444-555555555555")
		w.must(w.Create(w.Context()))
		w.must(w.Stage(w.Context(), theirs, value("theirs")))
		w.must(w.Promote(w.Context(), theirs, theirs))
		w.must(w.Stage(w.Context(), id(2), value("ours")))
		w.must(w.Promote(w.Context(), id(2), theirs))
		w.holds(credential.Current, id(2), "ours")
		w.holds(credential.Previous, theirs, "theirs")
	},
	"promoting the previous version rolls back": func(w world) {
		w.with(2)
		w.must(w.Promote(w.Context(), id(1), id(2)))
		w.holds(credential.Current, id(1), "v1")
		w.holds(credential.Previous, id(2), "v2")
	},
	"three generations leave the last two": func(w world) {
		w.with(3)
		w.holds(credential.Current, id(3), "v3")
		w.holds(credential.Previous, id(2), "v2")
	},
	"a value is returned byte for byte": func(w world) {
		text := `{"a":"é\u00e9 \"\\ <&>","b":` + "\n\t" + `"` + strings.Repeat("x", 60_000) + `"}` + "\n"
		w.must(w.Create(w.Context()))
		w.must(w.Stage(w.Context(), id(1), value(text)))
		w.holds(credential.Current, id(1), text)
	},
	"an expiry is described while its version is current": func(w world) {
		at := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
		w.with(1)
		w.must(w.SetExpiry(w.Context(), id(1), at))
		if d := w.describe(); !d.Expires.Equal(at) {
			w.Errorf("expires %v, want %v", d.Expires, at)
		}
		w.must(w.Stage(w.Context(), id(2), value("two")))
		w.must(w.Promote(w.Context(), id(2), id(1)))
		if d := w.describe(); !d.Expires.IsZero() {
			w.Errorf("the next version expires %v", d.Expires)
		}
	},
	"another process sees the same": func(w world) {
		w.with(2)
		w.Store = w.again()
		w.holds(credential.Current, id(2), "v2")
	},
	"of two concurrent runs one wins and nothing breaks": func(w world) {
		w.with(1)
		var wg sync.WaitGroup
		errs := make([]error, 2)
		for i := range 2 {
			s := w.again()
			wg.Go(func() {
				n := id(10 + i)
				if errs[i] = s.Stage(w.Context(), n, value(fmt.Sprint("runner", i))); errs[i] == nil {
					errs[i] = s.Promote(w.Context(), n, id(1))
				}
			})
		}
		wg.Wait()
		current := w.describe().At(credential.Current)
		for i, err := range errs {
			if (err == nil) != (current == id(10+i)) {
				w.Errorf("current is %s, and runner %d ended with %v", current, i, err)
			}
			if err != nil {
				w.reason(err, credential.MidRotation)
			}
		}
	},
}

func (w world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w world) reason(err error, want credential.Reason) {
	w.Helper()
	if got := credential.ReasonOf(err); got != want {
		w.Errorf("error = %v (%s), want %s", err, got, want)
	}
}

func (w world) with(n int) {
	w.Helper()
	w.must(w.Create(w.Context()))
	for i := 1; i <= n; i++ {
		w.must(w.Stage(w.Context(), id(i), value(fmt.Sprint("v", i))))
		w.must(w.Promote(w.Context(), id(i), id(max(1, i-1))))
	}
}

func (w world) describe() credential.Description {
	w.Helper()
	d, err := w.Describe(w.Context())
	w.must(err)
	return d
}

func (w world) holds(stage credential.Stage, id credential.VersionID, text string) {
	w.Helper()
	got, v, err := w.Read(w.Context(), stage)
	if err != nil || got != id || !v.Equal(value(text)) {
		w.Errorf("%s holds version %s (right value: %v), %v; want %s", stage, got, v.Equal(value(text)), err, id)
	}
	if at := w.describe().At(stage); at != id {
		w.Errorf("%s is described to be on %s, want %s", stage, at, id)
	}
}

func (w world) free() {
	const stage = credential.Pending
	w.Helper()
	if at := w.describe().At(stage); at != "" {
		w.Errorf("%s is on %s, want nowhere", stage, at)
	}
}

// Keep runs every law over the subjects.
func Keep(t *testing.T, subjects ...Subject) {
	t.Helper()
	names := make([]string, 0, len(laws))
	for law := range laws {
		names = append(names, law)
	}
	slices.Sort(names)
	for _, s := range subjects {
		for i, law := range names {
			t.Run(s.Name+"/"+law, func(t *testing.T) {
				if how, known := s.Deviations[law]; known {
					t.Skip("known deviation: " + how)
				}
				target := fmt.Sprintf("contract/law%02dx", i)
				again := func() store.Store { return s.Open(t, target) }
				laws[law](world{t, again(), again})
			})
		}
	}
}
