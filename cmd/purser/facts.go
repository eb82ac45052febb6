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

// touched is whether a run may have changed something, at a store or at a registry: only
// while it has not, a failure says that nothing was changed.
type touched struct{ it atomic.Bool }

// after notes a change that was asked for, whether it is known to have happened or not.
func (t *touched) after(err error) error {
	// These are answers of a registry to what it has not done.
	refused := []credential.Reason{credential.MintRefused, credential.TokenLimit, credential.PlanLacks, credential.NoSuchToken, credential.SessionNeeded, credential.SessionEnded, credential.RateLimited}
	if !credential.Untouched(err) && !slices.Contains(refused, credential.ReasonOf(err)) {
		t.it.Store(true)
	}
	return err
}

// facts adds to a failure that nothing was changed, where that is so.
func (a *app) facts(err error) error {
	if f, ok := present.AsFault(err); ok {
		f.Unchanged = !a.touched.it.Load()
		a.placed(f)
	}
	return err
}

// placed adds to a failure what the command line and the project say about it.
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

// notedStore is a store whose changes are noted.
type notedStore struct {
	lifecycle.Store
	note *touched
}

// Stage notes that a value may have been stored.
func (s notedStore) Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error {
	return s.note.after(s.Store.Stage(ctx, id, value))
}

// Promote notes that another version may be current.
func (s notedStore) Promote(ctx context.Context, id, from credential.VersionID) error {
	return s.note.after(s.Store.Promote(ctx, id, from))
}

// Unstage notes that a version may be gone.
func (s notedStore) Unstage(ctx context.Context, id credential.VersionID) error {
	return s.note.after(s.Store.Unstage(ctx, id))
}

// Create notes that there may be a target.
func (s notedStore) Create(ctx context.Context) error { return s.note.after(s.Store.Create(ctx)) }

// Bind notes that a place may be another registry's.
func (s notedStore) Bind(ctx context.Context, m credential.Mark) error {
	return s.note.after(s.Store.Bind(ctx, m))
}

// SetExpiry notes that a date may be another one.
func (s notedStore) SetExpiry(ctx context.Context, id credential.VersionID, at time.Time) error {
	return s.note.after(s.Store.SetExpiry(ctx, id, at))
}
