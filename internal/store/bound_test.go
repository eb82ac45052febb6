package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/store"
)

var private = credential.Credential{Name: "private", Registry: "registry.example.net", Username: "team"}

const opaque = `{"username":"team","token":"no-known-form-FAKE"}`

// TestAValueLeavesForItsRegistryAlone is over every store, every mark and every reason to
// trust.
func TestAValueLeavesForItsRegistryAlone(t *testing.T) {
	refused := errors.New("the person said no")
	detour := private
	detour.Via = credential.ViaOf([]byte("PEM"), nil)
	hub := credential.Credential{Name: "private", Registry: "docker.io", Via: detour.Via}
	no, yes := func(context.Context) error { return refused }, func(context.Context) error { return nil }
	for _, subject := range subjects(t) {
		for i, c := range []struct {
			name  string
			value string
			mark  credential.Mark
			cfg   store.BoundConfig // the credential private, where none is named
			want  error             // nil: it is given
			why   credential.Reason // "": any
		}{
			{"its own mark", opaque, credential.MarkOf(private), store.BoundConfig{Agree: no}, nil, ""},
			{"another's mark", opaque, credential.Mark{Registry: "ghcr.io", Name: "private"}, store.BoundConfig{Agree: yes, Trusted: true}, refused, credential.BelongsElsewhere},
			{"no mark, a person says no", opaque, credential.Mark{}, store.BoundConfig{Agree: no}, refused, ""},
			{"no mark, a person says yes", opaque, credential.Mark{}, store.BoundConfig{Agree: yes}, nil, ""},
			{"no mark, a trusted configuration", opaque, credential.Mark{}, store.BoundConfig{Agree: no, Trusted: true}, nil, ""},
			{"another vendor's form, whatever says so", `{"username":"team","token":"dckr_pat_FAKEfakeFAKEfakeFAKE"}`, credential.MarkOf(private), store.BoundConfig{Agree: yes, Trusted: true}, refused, credential.BelongsElsewhere},
			{"compared with what replaces it", opaque, credential.Mark{Registry: "ghcr.io"}, store.BoundConfig{Agree: no, Comparing: true}, nil, ""},
			{"its own mark, a way that nobody agreed to", opaque, credential.MarkOf(private), store.BoundConfig{Agree: no, Credential: detour}, refused, ""},
			{"its own mark, a way that a person agrees to", opaque, credential.MarkOf(private), store.BoundConfig{Agree: yes, Credential: detour}, nil, ""},
			{"another's mark, a way that a person agrees to", opaque, credential.Mark{Registry: "ghcr.io", Name: "private"}, store.BoundConfig{Agree: yes, Credential: detour}, refused, credential.BelongsElsewhere},
			{"a form that tells, a way that nobody agreed to", `{"username":"team","token":"dckr_pat_FAKEfakeFAKEfakeFAKE"}`, credential.Mark{}, store.BoundConfig{Agree: no, Credential: hub}, refused, ""},
		} {
			raw := subject.open(t, "bound/"+string(rune('a'+i))+"xx")
			must(t, raw.Create(t.Context()), raw.Stage(t.Context(), id(1), value(c.value)), raw.Promote(t.Context(), id(1), id(1)))
			if !c.mark.IsZero() {
				must(t, raw.Bind(t.Context(), c.mark))
			}
			if c.cfg.Credential.Name == "" {
				c.cfg.Credential = private
			}
			_, got, err := store.Bind(raw, c.cfg).Read(t.Context(), credential.Current)
			switch {
			case c.want == nil && (err != nil || got.IsZero()):
				t.Errorf("%s, %s: %v", subject.name, c.name, err)
			case c.want != nil && (err == nil || !got.IsZero()):
				t.Errorf("%s, %s: it was given", subject.name, c.name)
			case c.why != "" && credential.ReasonOf(err) != c.why:
				t.Errorf("%s, %s: %v", subject.name, c.name, err)
			}
		}
	}
}

// TestAPersonIsAskedOnce: what they say is written into the store.
func TestAPersonIsAskedOnce(t *testing.T) {
	for _, subject := range subjects(t) {
		raw := subject.open(t, "bound/once")
		must(t, raw.Create(t.Context()), raw.Stage(t.Context(), id(1), value(opaque)), raw.Promote(t.Context(), id(1), id(1)))
		asked := 0
		for range 3 {
			b := store.Bind(raw, store.BoundConfig{Credential: private, Agree: func(context.Context) error { asked++; return nil }})
			for range 2 {
				if _, _, err := b.Read(t.Context(), credential.Current); err != nil {
					t.Errorf("%s: %v", subject.name, err)
				}
			}
		}
		if asked != 1 {
			t.Errorf("%s: a person was asked %d times", subject.name, asked)
		}
	}
}

// TestAWayIsAgreedToOnce: AWS keeps what the person said of the way. The encrypted file, which
// whoever can write the checkout can edit, does not, and they are asked in every run.
func TestAWayIsAgreedToOnce(t *testing.T) {
	detour := private
	detour.Via = credential.ViaOf([]byte("PEM"), nil)
	for _, subject := range subjects(t) {
		raw := subject.open(t, "bound/way")
		must(t, raw.Create(t.Context()), raw.Bind(t.Context(), credential.MarkOf(private)), raw.Stage(t.Context(), id(1), value(opaque)), raw.Promote(t.Context(), id(1), id(1)))
		asked, runs := 0, 3
		for range runs {
			b := store.Bind(raw, store.BoundConfig{Credential: detour, Agree: func(context.Context) error { asked++; return nil }})
			for range 2 {
				_, err := b.Describe(t.Context())
				must(t, err)
				_, _, err = b.Read(t.Context(), credential.Current)
				must(t, err)
			}
		}
		want := 1
		if _, isFile := raw.(*store.AgeFile); isFile {
			want = runs
		}
		if asked != want {
			t.Errorf("%s: a person was asked %d times, want %d", subject.name, asked, want)
		}
	}
}

// TestAMarkThatSomebodyWroteIntoTheFileIsNoticed: the file is in a checkout, and its mark
// stands in the open; each value has it again, encrypted.
func TestAMarkThatSomebodyWroteIntoTheFileIsNoticed(t *testing.T) {
	for _, marked := range []bool{true, false} {
		dir := t.TempDir()
		path := filepath.Join(dir, "one.age.json")
		s := store.NewAgeFile(store.AgeFileConfig{Path: path, Identity: filepath.Join(dir, "identity.txt")})
		must(t, s.Create(t.Context()))
		if marked {
			must(t, s.Bind(t.Context(), credential.MarkOf(private)))
		}
		must(t, s.Stage(t.Context(), id(1), value(opaque)))
		raw, err := os.ReadFile(path)
		must(t, err)
		text := strings.Replace(string(raw), "registry.example.net private", "evil.example private", 1)
		if !marked {
			text = strings.Replace(text, `"versions"`, `"registry": "evil.example private", "versions"`, 1)
		}
		must(t, os.WriteFile(path, []byte(text), 0o600))
		_, got, err := s.Read(t.Context(), credential.Current)
		if err == nil || !got.IsZero() || !strings.Contains(err.Error(), "tampered") {
			t.Errorf("marked before %v: %v", marked, err)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
