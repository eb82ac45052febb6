package main

import (
	"context"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/terraform"
)

// touched records whether a run may have changed a store or a registry. Only until then may
// a failure say that nothing was changed.
type touched struct{ it atomic.Bool }

// after records an attempted change, unless err proves that nothing happened.
func (t *touched) after(err error) error {
	// With these, a registry says that it did nothing.
	refused := []credential.Reason{credential.MintRefused, credential.TokenLimit, credential.PlanLacks, credential.NoSuchToken, credential.SessionNeeded, credential.SessionEnded, credential.RateLimited}
	if !credential.Untouched(err) && !slices.Contains(refused, credential.ReasonOf(err)) {
		t.it.Store(true)
	}
	return err
}

// facts completes a failure, also with whether nothing was changed.
func (a *app) facts(err error) error {
	if f, ok := present.AsFault(err); ok {
		f.Unchanged = !a.touched.it.Load()
		a.placed(f)
	}
	return err
}

// placed adds the command line, the proxy and the project's Terraform to a failure.
func (a *app) placed(f *credential.Fault) {
	if f == nil {
		return
	}
	f.Given, f.Proxy = a.given, a.env.Proxy
	if f.Reason == credential.SecretMissing && f.Target.Kind == config.SecretKind {
		here, _ := filepath.Abs(a.dir)
		root := here
		if path, err := config.Find(a.config, a.env, here); err == nil && path != "" {
			root, _ = filepath.Abs(filepath.Dir(path))
		}
		f.Declared = terraform.Declares(root, here, f.Target.Name)
	}
}

// notedStore records each change of a store.
type notedStore struct {
	lifecycle.Store
	note *touched
}

// Stage stores a value that is not yet current.
func (s notedStore) Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error {
	return s.note.after(s.Store.Stage(ctx, id, value))
}

// Promote makes a version current.
func (s notedStore) Promote(ctx context.Context, id, from credential.VersionID) error {
	return s.note.after(s.Store.Promote(ctx, id, from))
}

// Unstage discards a version.
func (s notedStore) Unstage(ctx context.Context, id credential.VersionID) error {
	return s.note.after(s.Store.Unstage(ctx, id))
}

// Create makes the target.
func (s notedStore) Create(ctx context.Context) error { return s.note.after(s.Store.Create(ctx)) }

// Bind marks a place as a registry's.
func (s notedStore) Bind(ctx context.Context, m credential.Mark) error {
	return s.note.after(s.Store.Bind(ctx, m))
}

// SetExpiry sets the date on which a version's token expires.
func (s notedStore) SetExpiry(ctx context.Context, id credential.VersionID, at time.Time) error {
	return s.note.after(s.Store.SetExpiry(ctx, id, at))
}
