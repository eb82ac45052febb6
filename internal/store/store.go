package store

import (
	"context"
	"time"

	"purser/internal/credential"
)

// Store keeps the versions of one target. Every error that a person can act on is a
// *credential.Fault. All methods are idempotent.
type Store interface {
	// Open prepares the store and describes the identity that uses it.
	Open(ctx context.Context) (who string, err error)
	// Describe returns everything but values, without the right to read them. A missing
	// target is SecretMissing.
	Describe(ctx context.Context) (credential.Description, error)
	// Read returns the value in a stage. An empty stage is SecretEmpty.
	Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error)

	// Stage stores a value as version id and moves AWSPENDING to it. The first version of
	// an empty target also becomes AWSCURRENT. The same id with another value is
	// StoreRefused. After an error that is credential.Untouched nothing was stored; after
	// any other the version may be there.
	Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error
	// Promote moves AWSCURRENT from from, which becomes AWSPREVIOUS, to id, and takes
	// AWSPENDING off id. If AWSCURRENT is elsewhere: MidRotation.
	Promote(ctx context.Context, id, from credential.VersionID) error
	// Unstage takes AWSPENDING off id if it is there.
	Unstage(ctx context.Context, id credential.VersionID) error
	// Create creates the empty target if it does not exist.
	Create(ctx context.Context) error
	// Bind marks the values with what they belong to, for Describe. Versions that the mark
	// does not cover keep the earlier one.
	Bind(ctx context.Context, m credential.Mark) error
	// SetExpiry notes when the token in version id expires, for Describe.
	SetExpiry(ctx context.Context, id credential.VersionID, at time.Time) error
}
