package store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/store"
	"purser/internal/store/agefile"
	"purser/internal/store/secretsmanager"
	"purser/internal/store/storetest"
)

var private = credential.Credential{Name: "private", Registry: "registry.example.net", Username: "team"}

const opaque = `{"username":"team","token":"no-known-form-FAKE"}`

// subjects returns a store that keeps its mark in a file, and one that keeps it in a tag.
func subjects(t *testing.T) []storetest.Subject {
	t.Helper()
	dir := t.TempDir()
	stand := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{Now: time.Now}))
	t.Cleanup(stand.Close)
	client := sm.New(sm.Options{BaseEndpoint: &stand.URL, Region: "eu-west-2", Credentials: credentials.NewStaticCredentialsProvider("FAKE", "FAKE", "")})
	return []storetest.Subject{
		{Name: "encrypted file", Open: func(_ *testing.T, name string) store.Store {
			return agefile.New(agefile.Config{Path: filepath.Join(dir, name+".age.json"), Identity: filepath.Join(dir, "identity.txt")})
		}},
		{Name: "Secrets Manager", Open: func(_ *testing.T, name string) store.Store {
			return secretsmanager.New(secretsmanager.Config{API: client, Target: credential.Target{Kind: "secret", Name: name}, Region: "eu-west-2"})
		}},
	}
}

func id(n int) credential.VersionID {
	return credential.VersionID(fmt.Sprintf("purser-00000000-0000-7000-8000-%012d", n))
}

func value(text string) credential.Secret { return credential.NewSecret(text) }

// TestAValueIsReleasedOnlyToItsRegistry covers every store, mark and reason to trust.
func TestAValueIsReleasedOnlyToItsRegistry(t *testing.T) {
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
			cfg   store.BoundConfig // with the credential private by default
			want  error             // nil: the value is released
			why   credential.Reason // "": any
		}{
			{"its own mark", opaque, credential.MarkOf(private), store.BoundConfig{Agree: no}, nil, ""},
			{"another's mark", opaque, credential.Mark{Registry: "ghcr.io", Name: "private"}, store.BoundConfig{Agree: yes, Trusted: true}, refused, credential.BelongsElsewhere},
			{"no mark, a person refuses", opaque, credential.Mark{}, store.BoundConfig{Agree: no}, refused, ""},
			{"no mark, a person agrees", opaque, credential.Mark{}, store.BoundConfig{Agree: yes}, nil, ""},
			{"no mark, a trusted configuration", opaque, credential.Mark{}, store.BoundConfig{Agree: no, Trusted: true}, nil, ""},
			{"another vendor's form, in any case", `{"username":"team","token":"dckr_pat_FAKEfakeFAKEfakeFAKE"}`, credential.MarkOf(private), store.BoundConfig{Agree: yes, Trusted: true}, refused, credential.BelongsElsewhere},
			{"compared with what replaces it", opaque, credential.Mark{Registry: "ghcr.io"}, store.BoundConfig{Agree: no, Comparing: true}, nil, ""},
			{"its own mark, a way without consent", opaque, credential.MarkOf(private), store.BoundConfig{Agree: no, Credential: detour}, refused, ""},
			{"its own mark, a way that a person agrees to", opaque, credential.MarkOf(private), store.BoundConfig{Agree: yes, Credential: detour}, nil, ""},
			{"another's mark, a way that a person agrees to", opaque, credential.Mark{Registry: "ghcr.io", Name: "private"}, store.BoundConfig{Agree: yes, Credential: detour}, refused, credential.BelongsElsewhere},
			{"a known form, a way without consent", `{"username":"team","token":"dckr_pat_FAKEfakeFAKEfakeFAKE"}`, credential.Mark{}, store.BoundConfig{Agree: no, Credential: hub}, refused, ""},
		} {
			raw := subject.Open(t, "bound/"+string(rune('a'+i))+"xx")
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
				t.Errorf("%s, %s: %v", subject.Name, c.name, err)
			case c.want != nil && (err == nil || !got.IsZero()):
				t.Errorf("%s, %s: it was given", subject.Name, c.name)
			case c.why != "" && credential.ReasonOf(err) != c.why:
				t.Errorf("%s, %s: %v", subject.Name, c.name, err)
			}
		}
	}
}

func TestAPersonIsAskedOnceAboutAnUnmarkedValue(t *testing.T) {
	for _, subject := range subjects(t) {
		raw := subject.Open(t, "bound/once")
		must(t, raw.Create(t.Context()), raw.Stage(t.Context(), id(1), value(opaque)), raw.Promote(t.Context(), id(1), id(1)))
		asked := 0
		for range 3 {
			b := store.Bind(raw, store.BoundConfig{Credential: private, Agree: func(context.Context) error { asked++; return nil }})
			for range 2 {
				if _, _, err := b.Read(t.Context(), credential.Current); err != nil {
					t.Errorf("%s: %v", subject.Name, err)
				}
			}
		}
		if asked != 1 {
			t.Errorf("%s: a person was asked %d times", subject.Name, asked)
		}
	}
}

// The encrypted file does not remember, since whoever can write the checkout can edit it.
func TestSecretsManagerRemembersConsentToAWayAndTheFileDoesNot(t *testing.T) {
	detour := private
	detour.Via = credential.ViaOf([]byte("PEM"), nil)
	for _, subject := range subjects(t) {
		raw := subject.Open(t, "bound/way")
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
		if _, isFile := raw.(*agefile.File); isFile {
			want = runs
		}
		if asked != want {
			t.Errorf("%s: a person was asked %d times, want %d", subject.Name, asked, want)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
