package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/keyringcache"
	"purser/internal/lifecycle"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
	"purser/internal/wire"
)

// changing is an agent on a machine where purser changes tokens.
type changing struct {
	*agent
	box    *sandbox.Sandbox
	runner *lifecycle.Runner
	req    lifecycle.StoreRequest
	n      atomic.Int64 // changes started; each makes at most one token current
}

func newChanging(t *testing.T) *changing {
	t.Helper()
	c := &changing{agent: remembering(t)}
	var err error
	if c.box, err = sandbox.Start(t.Context(), sandbox.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.box.Close() })
	c.at, c.aws = c.box.SecretsManagerURL, c.box.SecretsManager
	c.runner, c.req = c.machine(func() func() { return keyringcache.Hold(c.ring) })
	c.change("store", func() error { _, err := c.runner.Store(t.Context(), c.req); return err })
	return c
}

// machine is purser on a machine, which shares this one's keyring if hold is set.
func (c *changing) machine(hold func() (release func())) (*lifecycle.Runner, lifecycle.StoreRequest) {
	c.Helper()
	w := &wire.Wire{
		Now: time.Now, Transport: c.box.Transport(), AWS: &wire.LocalAWS{Endpoint: c.at}, Trusted: true,
		Hold: hold,
	}
	target := credential.Target{Kind: "secret", Name: "mockserver-build/dockerhub", Region: "eu-west-2"}
	snapshots := credential.Credential{
		Name: "snapshots", Registry: "docker.io", Username: "mockserver", Repositories: []credential.Repository{"mockserver/mockserver"},
		Access: credential.Push, Targets: []credential.Target{target},
	}
	s, err := w.Store(c.Context(), snapshots, target)
	if err != nil {
		c.Fatal(err)
	}
	hub, err := w.SignInTo(c.Context(), "docker.io", "mockserver", c.box.Password, func(context.Context, bool) (credential.Secret, error) {
		return credential.NewSecret(sandboxhub.DefaultCode), nil
	}, "")
	if err != nil {
		c.Fatal(err)
	}
	req := lifecycle.StoreRequest{Credential: snapshots, Places: []lifecycle.Place{{Target: target, Store: s}}, Mint: hub, Create: true}
	return &lifecycle.Runner{Prover: w, Now: time.Now, Random: rand.Reader, Trusted: true, Wait: func(context.Context, time.Duration) error { return nil }}, req
}

func (c *changing) change(what string, do func() error) {
	c.Helper()
	c.n.Add(1)
	if err := do(); err != nil {
		c.Fatalf("%s: %v", what, err)
	}
}

// given returns the helper's token.
func (c *changing) given() string {
	out, _, code := c.ask("get", "docker.io")
	var login struct{ Secret string }
	if code != 0 || json.Unmarshal([]byte(out), &login) != nil {
		c.Errorf("no login: %d", code)
	}
	return login.Secret
}

// fresh returns the token of an uncached read.
func (c *changing) fresh() credential.Secret {
	_, value, err := c.req.Places[0].Store.Read(context.Background(), credential.Current)
	if err != nil {
		c.Error(err)
	}
	login, _ := credential.ShapeToken.Decode(value, "docker.io") // empty if invalid
	return login.Token
}

func (c *changing) works(token credential.Secret) bool {
	for _, t := range c.box.Accounts.Tokens("mockserver") {
		if t.Secret.Equal(token) {
			return t.Active
		}
	}
	return false
}

// consume asks the helper until stopped. It counts dead tokens that an uncached read would have avoided. It
// ignores calls during which a change starts, because the current token is unknown then.
func (c *changing) consume(stop *atomic.Bool, avoidable *atomic.Int64) {
	for !stop.Load() {
		n, before := c.n.Load(), c.fresh()
		got := credential.NewSecret(c.given())
		works, after := c.works(got), c.fresh()
		if !works && !got.Equal(before) && !got.Equal(after) && n == c.n.Load() {
			avoidable.Add(1)
		}
	}
}

// TestNoDeadTokenIsGivenThatAReadWouldAvoid asks the helper continuously while purser rotates, rolls back,
// revokes and replaces tokens on the same machine.
func TestNoDeadTokenIsGivenThatAReadWouldAvoid(t *testing.T) {
	c := newChanging(t)
	var stop atomic.Bool
	var avoidable atomic.Int64
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { c.consume(&stop, &avoidable) })
	}
	ctx := t.Context()
	rotate := func(now bool) error {
		_, err := c.runner.Rotate(ctx, lifecycle.RotateRequest{StoreRequest: c.req, Force: true, RetireNow: now})
		return err
	}
	changes := []struct {
		name string
		do   func() error
	}{
		{"rotate --now", func() error { return rotate(true) }},
		{"respond", func() error {
			_, err := c.runner.Respond(ctx, lifecycle.RespondRequest{StoreRequest: c.req})
			return err
		}},
		{"rotate", func() error { return rotate(false) }},
		{"rollback", func() error {
			_, err := c.runner.Rollback(ctx, lifecycle.RotateRequest{StoreRequest: c.req})
			return err
		}},
		{"revoke --previous", func() error {
			_, err := c.runner.Revoke(ctx, lifecycle.RotateRequest{StoreRequest: c.req}, credential.Previous)
			return err
		}},
		{"revoke", func() error {
			_, err := c.runner.Revoke(ctx, lifecycle.RotateRequest{StoreRequest: c.req}, credential.Current)
			return err
		}},
		{"store", func() error { _, err := c.runner.Store(ctx, c.req); return err }},
	}
	for range 2 {
		for _, change := range changes {
			before := c.fresh()
			if c.given(); !before.Equal(credential.NewSecret(c.given())) {
				t.Errorf("before %s, the helper's token differs from a read", change.name)
			}
			c.change(change.name, change.do)
			if got := credential.NewSecret(c.given()); !got.Equal(c.fresh()) {
				t.Errorf("after %s, the helper's token differs from a read", change.name)
			}
		}
	}
	stop.Store(true)
	all.Wait()
	if n := avoidable.Load(); n > 0 {
		t.Errorf("the helper returned a dead token %d times that a read would have avoided", n)
	}
}

// Here another machine makes a token current, and this one revokes the old token.
func TestATokenRevokedHereIsNotReturnedHere(t *testing.T) {
	c := newChanging(t)
	c.given()
	there, req := c.machine(nil)
	c.change("rotate elsewhere", func() error {
		_, err := there.Rotate(t.Context(), lifecycle.RotateRequest{StoreRequest: req, Force: true})
		return err
	})
	if old := credential.NewSecret(c.given()); old.Equal(c.fresh()) {
		t.Fatal("the helper caches nothing, so this test proves nothing")
	}
	c.change("revoke --previous", func() error {
		_, err := c.runner.Revoke(t.Context(), lifecycle.RotateRequest{StoreRequest: c.req}, credential.Previous)
		return err
	})
	if got := credential.NewSecret(c.given()); !got.Equal(c.fresh()) {
		t.Error("the helper returned the revoked token")
	}
}

func TestALoginIsCachedBetweenChanges(t *testing.T) {
	c := newChanging(t)
	c.given()
	before := c.reads()
	if c.given(); c.reads() != before {
		t.Error("it read again")
	}
}
