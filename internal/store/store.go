package store

import (
	"context"
	"time"

	"purser/internal/credential"
)

// Store keeps the versions of one target. Every error that a person can do
// something about is a *credential.Fault. All methods may be repeated: doing
// again what was done changes nothing.
type Store interface {
	// Open makes ready and says, for people, as whom the store is used.
	Open(ctx context.Context) (who string, err error)
	// Describe tells everything but values, and needs no right to read them. A
	// target that does not exist is a fault with the reason SecretMissing.
	Describe(ctx context.Context) (credential.Description, error)
	// Read gets the value in a stage. No version there is SecretEmpty.
	Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error)

	// Stage puts a value as version id into AWSPENDING, which leaves the version
	// that had it. The first version of an empty target becomes AWSCURRENT too.
	// The same id with another value is StoreRefused. An error that is
	// credential.Untouched has stored nothing; after any other one it may be there.
	Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error
	// Promote makes id AWSCURRENT if AWSCURRENT is still on from, which becomes
	// AWSPREVIOUS, and takes AWSPENDING off id. If it is elsewhere: MidRotation.
	Promote(ctx context.Context, id, from credential.VersionID) error
	// Unstage takes AWSPENDING off id where it is there.
	Unstage(ctx context.Context, id credential.VersionID) error
	// Create makes the empty target; one that exists is left as it is.
	Create(ctx context.Context) error
	// Bind marks the values with what they belong to, for Describe. A version that the
	// mark does not speak of keeps what it had.
	Bind(ctx context.Context, m credential.Mark) error
	// SetExpiry notes when the token in version id ends, for Describe.
	SetExpiry(ctx context.Context, id credential.VersionID, at time.Time) error
}
