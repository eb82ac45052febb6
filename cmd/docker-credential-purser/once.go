package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/keyringcache"
)

// cache keeps a login for seconds.
type cache interface {
	Get(name string) (credential.Secret, bool)
	Put(name string, text credential.Secret, life time.Duration) error
	Clear() error
	Alone(ctx context.Context, name string) (done func(), waited bool)
}

func kernelKeyring() (cache, error) { return keyringcache.New(keyringcache.Name) }

// entry names a cached login by everything that determines it and who may read it, so that other AWS
// credentials do not find it.
func (h *helper) entry(c credential.Credential, t credential.Target) string {
	decides := strings.Join([]string{
		"1", string(c.Registry), t.Kind, t.Name, t.Region, t.Profile, string(t.Options), t.Shape.String(), h.env.AWSIdentity, h.env.AWSRegion, h.env.Home,
	}, "\x00")
	sum := sha256.Sum256([]byte(decides))
	return hex.EncodeToString(sum[:])
}

// once fetches a login unless it is cached. Concurrent calls wait for the first, because docker compose asks
// for twenty images at once. The cached login expires a fixed time after it was fetched, however often
// it is used.
func (h *helper) once(ctx context.Context, name string, fetch func() (credential.Login, error)) (credential.Login, error) {
	life := h.env.HelperCacheLife()
	if life <= 0 || h.keyring == nil {
		return fetch()
	}
	kept, err := h.keyring()
	if err != nil {
		return fetch() // there is no keyring, or a container forbids it
	}
	if login, ok := recall(kept, name); ok {
		return login, nil
	}
	h.step = "waiting for another call that reads the same login"
	done, waited := kept.Alone(ctx, name)
	defer done()
	if waited {
		if kept, err = h.keyring(); err != nil { // purser may have replaced the keyring
			return fetch()
		}
		if login, ok := recall(kept, name); ok {
			return login, nil
		}
	}
	login, err := fetch()
	if err == nil {
		// If this fails, the next call reads again. If purser changed something since the keyring was opened,
		// nobody finds the entry.
		_ = kept.Put(name, pack(login), life)
	}
	return login, err
}

// forget drops all cached logins.
func (h *helper) forget() {
	if h.keyring == nil || h.env.HelperCacheLife() <= 0 {
		return
	}
	if kept, err := h.keyring(); err == nil {
		_ = kept.Clear() // entries expire within a minute anyway
	}
}

// packed is a cached login.
type packed struct{ Username, Token string }

func pack(l credential.Login) credential.Secret {
	raw, _ := json.Marshal(packed{l.Username, l.Token.Reveal()}) // text always encodes
	return credential.NewSecret(string(raw))
}

func recall(kept cache, name string) (credential.Login, bool) {
	text, ok := kept.Get(name)
	if !ok {
		return credential.Login{}, false
	}
	var p packed
	if json.Unmarshal([]byte(text.Reveal()), &p) != nil || p.Token == "" {
		return credential.Login{}, false
	}
	return credential.Login{Username: p.Username, Token: credential.NewSecret(p.Token)}, true
}
