//go:build !linux

package keyringcache

import (
	"context"
	"time"

	"purser/internal/credential"
)

func open(string) (*Keyring, error) { return nil, ErrUnavailable }

func (*Keyring) get(string) (credential.Secret, bool)               { return credential.Secret{}, false }
func (*Keyring) put(string, credential.Secret, time.Duration) error { return ErrUnavailable }
func (*Keyring) renew(time.Duration) error                          { return nil }
func alone(context.Context, string) (done func(), waited bool)      { return func() {}, false }
