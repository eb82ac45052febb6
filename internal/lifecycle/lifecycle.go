// Package lifecycle runs a credential's life: stage a token beside the current one, prove
// it as stored, promote it, retire the old one. Its state is what the store and the
// registry say, never a journal of its own, so a run can be killed at any instruction and
// the next one finishes or goes back.
//
// steps.go and verify.go hold the steps that the flows (store.go, rotate.go, rollback.go,
// respond.go, check.go, status.go) share. scheduled.go serves stores that start rotations
// themselves. mint.go makes tokens at the registry; sweep.go and retire.go end them, and
// bearers.go says what outlives them.
package lifecycle

import (
	"context"
	"io"
	"time"

	"purser/internal/credential"
)

// Prover asks a registry what a login may do. See registry.Client.Prove.
type Prover interface {
	Prove(ctx context.Context, c credential.Credential, l credential.Login, allowNew bool) credential.Proof
}

// Reader is the reading side of a store. store.Store defines the contract.
type Reader interface {
	Open(ctx context.Context) (who string, err error)
	Describe(ctx context.Context) (credential.Description, error)
	Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error)
}

// Writer is the writing side of a store. store.Store defines the contract.
type Writer interface {
	Create(ctx context.Context) error
	Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error
	Promote(ctx context.Context, id, from credential.VersionID) error
	Unstage(ctx context.Context, id credential.VersionID) error
	Bind(ctx context.Context, m credential.Mark) error
	SetExpiry(ctx context.Context, id credential.VersionID, at time.Time) error
}

// Store keeps one target.
type Store interface {
	Reader
	Writer
}

// Leases tell whether another run on this machine is over. They only shorten waits.
type Leases interface {
	// Take is called before a token is made for a version. end(false) says that the token
	// is certainly gone, or about to go into a store; end(true) that neither is certain as
	// the run ends.
	Take(id credential.VersionID) (end func(left bool))
	// Abandoned reports whether the run that took the lease ended before it began to store
	// the token; false if unknown.
	Abandoned(id credential.VersionID) bool
	// Forget is called when the token of an abandoned lease has been revoked.
	Forget(id credential.VersionID)
}

// Place is a target of a credential with the store that keeps it.
type Place struct {
	Target credential.Target
	Store  Store
}

// Step names a part of a flow, as people read it.
type Step string

// The steps, in the order in which they happen. Before them come the opener and the noun of
// each target's kind.
const (
	StepToken    Step = "Token"
	StepTidied   Step = "Tidied" // an interrupted run's leftovers
	StepProof    Step = "Proof"
	StepStored   Step = "Stored"
	StepVerified Step = "Verified"
	StepDue      Step = "Due"
	StepStopped  Step = "Stopped" // the token that may have leaked
	StepRetired  Step = "Retired" // the old token
	StepBearers  Step = "Bearers" // what outlives it
	StepNoted    Step = "Note"
)

// Event is one thing that is now known to be good, or done. Anything else ends the flow
// with an error.
type Event struct {
	Step  Step
	Text  string
	Where bool // it says who opens a place, or that the place exists
	Who   bool // Text is the identity that a cloud sees
}

// Runner runs flows. Its only state is what its fields share.
type Runner struct {
	Prover Prover
	Issuer Issuer // nil: nothing is found out about bearers
	Now    func() time.Time
	Random io.Reader                                        // for version ids
	Wait   func(ctx context.Context, d time.Duration) error // nil waits on the clock
	Tries  *Tries                                           // shared by the runners of one command; nil: no limit on wrong logins
	Leases Leases                                           // nil: other runs are unknown
	Report func(Event)                                      // called in order, from one goroutine at a time; nil reports nothing

	// Trusted means that others cannot write the configuration, so it may name a new place
	// for a token.
	Trusted bool
	// Agree asks a person whether places may get a credential's token; nil: there is nobody
	// to ask.
	Agree func(context.Context, []NewPlace) error
}

func (r *Runner) report(step Step, text string) { r.tell(Event{Step: step, Text: text}) }

func (r *Runner) tell(e Event) {
	if r.Report != nil {
		r.Report(e)
	}
}
