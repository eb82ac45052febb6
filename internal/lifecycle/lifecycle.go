// Package lifecycle is the flow of a credential: stage a token beside the
// current one, prove it as it was stored, promote it. Its state is what the
// store and the registry say, never a journal of its own, so that any run can
// be killed at any instruction and the next one finishes or goes back.
//
// steps.go and verify.go hold the steps; store.go, rotate.go, rollback.go, respond.go,
// check.go and status.go are what people ask for, made of them, and scheduled.go what
// a store asks for that rotates by itself. mint.go makes tokens at the registry,
// sweep.go and retire.go end them.
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

// Reader is the side of a store that tells. The contract is store.Store's.
type Reader interface {
	Open(ctx context.Context) (who string, err error)
	Describe(ctx context.Context) (credential.Description, error)
	Read(ctx context.Context, at credential.Stage) (credential.VersionID, credential.Secret, error)
}

// Writer is the side of a store that changes. The contract is store.Store's.
type Writer interface {
	Create(ctx context.Context) error
	Stage(ctx context.Context, id credential.VersionID, value credential.Secret) error
	Promote(ctx context.Context, id, from credential.VersionID) error
	Unstage(ctx context.Context, id credential.VersionID) error
	Bind(ctx context.Context, m credential.Mark) error
	SetExpiry(ctx context.Context, id credential.VersionID, at time.Time) error
}

// Store is where one target is kept.
type Store interface {
	Reader
	Writer
}

// Leases tell runs on one machine which of them are over. Nothing depends on them but how
// long a run waits.
type Leases interface {
	// Take is called before a token is made for a version, and end when it is certain that
	// the token is gone, or before it goes into a store; with left, neither is so and the
	// run ends.
	Take(id credential.VersionID) (end func(left bool))
	// Abandoned reports whether the run that took the lease is over without having begun to
	// store the token; false where that is not known.
	Abandoned(id credential.VersionID) bool
	// Forget is called when the token of an abandoned lease has been ended.
	Forget(id credential.VersionID)
}

// Place is a target of a credential with the store that keeps it.
type Place struct {
	Target credential.Target
	Store  Store
}

// Step names a part of a flow, in the words that people read.
type Step string

// The steps, in the order in which they happen. The first are the opener and the noun of
// each target's kind.
const (
	StepToken    Step = "Token"
	StepTidied   Step = "Tidied" // what an interrupted run had left
	StepProof    Step = "Proof"
	StepStored   Step = "Stored"
	StepVerified Step = "Verified"
	StepDue      Step = "Due"
	StepStopped  Step = "Stopped" // the token that may have leaked
	StepRetired  Step = "Retired" // of the token before
	StepNoted    Step = "Note"
)

// Event is one thing that is now known to be good, or done. What is not ends
// the flow with an error.
type Event struct {
	Step  Step
	Text  string
	Where bool // it is about who opens a place, or that the place is there
	Who   bool // Text is whom a cloud takes this run for
}

// Runner runs flows. It has no state of its own but what its fields share.
type Runner struct {
	Prover Prover
	Now    func() time.Time
	Random io.Reader                                        // for version ids
	Wait   func(ctx context.Context, d time.Duration) error // nil waits on the clock
	Tries  *Tries                                           // shared by the runners of one command; nil: wrong logins are not counted
	Leases Leases                                           // nil: nothing is known of other runs
	Report func(Event)                                      // called in order, from one goroutine at a time; nil reports nothing

	// Trusted says that the configuration is one that others cannot write, so that it may
	// name a new place for a token.
	Trusted bool
	// Agree asks a person whether places may get a credential's token; nil: no one can be
	// asked.
	Agree func(context.Context, []NewPlace) error
}

func (r *Runner) report(step Step, text string) { r.tell(Event{Step: step, Text: text}) }

func (r *Runner) tell(e Event) {
	if r.Report != nil {
		r.Report(e)
	}
}
