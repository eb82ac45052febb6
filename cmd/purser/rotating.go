package main

import (
	"context"
	"strings"
	"time"

	"purser/internal/account"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/record"
	"purser/internal/wire"
	"purser/internal/wire/receipts"
)

// rotations handle a command's credentials side by side, and report them one after the
// other.
type rotations struct {
	*app
	wire     *wire.Wire
	file     *config.File
	flags    rotateFlags
	expires  time.Time
	many     bool
	seats    present.Seats
	blocks   *present.Blocks
	tries    *lifecycle.Tries
	sessions map[string]*origin            // where new tokens come from, by account
	records  map[string]*receipts.Recorder // by the account and region of the signing key
}

// rotating is the rotation of one credential.
type rotating struct {
	*app     // prints into the block
	all      *rotations
	c        credential.Credential
	block    *present.Block
	from     origin
	recorder *record.Recorder
	runner   *lifecycle.Runner
	request  lifecycle.RotateRequest
	res      lifecycle.RotateResult
	err      error
}

func (a *app) newRotations(w *wire.Wire, file *config.File, f rotateFlags, expires time.Time, n int) *rotations {
	return &rotations{
		app: a, wire: w, file: file, flags: f, expires: expires, many: n > 1, seats: make(present.Seats, present.AtOnce), blocks: present.NewBlocks(), tries: &lifecycle.Tries{},
		sessions: map[string]*origin{}, records: map[string]*receipts.Recorder{},
	}
}

// run rotates all credentials. It first asks, one after the other, what it must ask before
// any change.
func (r *rotations) run(ctx context.Context, credentials []credential.Credential) []*rotating {
	each := make([]*rotating, len(credentials))
	for i, c := range credentials {
		each[i] = &rotating{all: r, c: c, block: r.blocks.Add()}
		each[i].err = r.prepare(ctx, each[i])
	}
	ctx, row := r.told(r.out).Follow(ctx, r.now, "rotated", present.Names(credentials))
	r.seats.Run(len(each), func(i int) {
		each[i].run(ctx)
		row.Done(i)
	})
	row.End()
	return each
}

// prepare chooses where the new token comes from, and makes what the rotation needs.
func (r *rotations) prepare(ctx context.Context, x *rotating) error {
	mine := *r.app
	mine.touched = &touched{} // each credential has its own
	x.app = &mine
	x.open()
	from, err := r.renewal(ctx, x.c)
	if err != nil {
		return err
	}
	where, err := x.places(ctx, r.wire, x.c)
	if err != nil {
		return err
	}
	if x.recorder, err = r.recorder(ctx, x); err != nil {
		return err
	}
	x.from = from
	x.runner = x.app.runner(r.wire, x.recorder.Following(from.follow))
	x.runner.Wait, x.runner.Tries = x.pause, r.tries
	x.request = lifecycle.RotateRequest{
		StoreRequest: lifecycle.StoreRequest{Credential: x.c, Places: where, Find: x.find(from.find), Mint: from.mint, Given: from.given, DryRun: r.flags.dryRun, Expires: r.expires},
		Force:        r.flags.force, RetireNow: r.flags.now,
	}
	if m, ok := from.mint.(*account.Late); ok && r.many {
		x.request.Listed = m.Listed
	}
	return nil
}

// renewal chooses where a new token comes from, once for each account. With many
// credentials, a person who has to sign in does so before they run side by side.
func (r *rotations) renewal(ctx context.Context, c credential.Credential) (origin, error) {
	whose := string(c.Registry) + "\x00" + strings.ToLower(c.Username)
	if r.env.ManagementSecret != "" { // the secret is in the credential's account and region
		whose += "\x00" + placeOf(c.Targets)
	}
	flags := r.flags
	switch known, ok := r.sessions[whose]; {
	case ok && known.mint != nil:
		return *known, nil
	case ok:
		flags.from = known.kind
		return r.source(ctx, c, r.wire, flags.storeFlags)
	}
	from, err := r.app.renewal(ctx, r.wire, c, flags)
	if err != nil {
		return from, err
	}
	r.sessions[whose] = &from
	if m, ok := from.mint.(*account.Late); ok && r.many && !flags.dryRun && r.env.ManagementSecret == "" {
		_, _ = m.SignedIn(ctx) // its use reports the mistake
	}
	return from, nil
}

// placeOf names the AWS profile and region of the first target in a cloud.
func placeOf(targets []credential.Target) string {
	for _, t := range targets {
		if t.Traits().Cloud != "" {
			return t.Profile + "\x00" + t.Region
		}
	}
	return ""
}

// recorder makes a credential's recorder, which shares its key with all of the same
// account.
func (r *rotations) recorder(ctx context.Context, x *rotating) (*record.Recorder, error) {
	if !r.file.Receipts.Wanted {
		return nil, nil // a nil recorder writes nothing
	}
	place := placeOf(x.c.Targets)
	if r.records[place] == nil {
		one, err := r.app.recorder(ctx, r.wire, x.c.Targets)
		if err != nil || one == nil {
			return nil, err
		}
		r.records[place] = one.To
	}
	return x.records(r.records[place]), nil
}

// open directs the output into the block, under the credential's name if there are several.
func (x *rotating) open() {
	x.out, x.app.err = x.block.Writer(x.all.out), x.block.Writer(x.all.err)
	if x.all.many && !x.output.JSON {
		x.block.Head(x.all.out, string(x.c.Name)+"\n")
	}
}

// run rotates and, with --wait, rotates again after the wait.
func (x *rotating) run(ctx context.Context) {
	defer func() { x.block.End() }()
	ctx = present.WithTurn(ctx, x.turn)
	if x.err == nil && ctx.Err() != nil {
		x.err = credential.Stopped(ctx, "rotating other credentials")
	}
	if x.err == nil {
		x.step(ctx)
	}
	for renewed := x.res.Store; x.err == nil && x.all.flags.wait && x.res.Wait > 0 && !x.request.DryRun; x.res.Store = renewed {
		x.show()
		x.block.End()
		x.err = x.pause(ctx, x.res.Wait)
		x.block = x.all.blocks.Add()
		x.open()
		if x.err == nil {
			x.request.Force, x.request.Listed = false, nil // that list is old by now
			x.step(ctx)
		}
	}
	if x.from.end != nil {
		x.from.end(x.err)
	}
	x.show()
}

func (x *rotating) step(ctx context.Context) {
	x.res, x.err = x.runner.Rotate(ctx, x.request)
	x.err = x.recorder.Rotation(ctx, x.c, x.res, x.err)
}

// show prints an error.
func (x *rotating) show() {
	x.err = x.facts(credential.About(x.err, x.c))
	if f, ok := present.AsFault(x.err); ok {
		f.Unchanged = f.Unchanged && !x.all.touched.it.Load() // one session makes and ends the tokens of all
	}
	if x.err != nil && !x.output.JSON && !x.silent() {
		x.printError(x.err)
	}
}

// silent reports whether the run ended before or while this credential waited its turn.
func (x *rotating) silent() bool {
	return x.all.many && present.CutShort(x.err) && x.block.Silent()
}

// turn waits until a question would appear below this credential's output.
func (x *rotating) turn(ctx context.Context) error {
	return x.all.seats.Without(func() error { return x.block.Await(ctx) })
}

// pause waits, and lets others work meanwhile.
func (x *rotating) pause(ctx context.Context, d time.Duration) error {
	return x.all.seats.Without(func() error { return x.all.pause(ctx, d) })
}

// find asks the person when it is the credential's turn.
func (x *rotating) find(ask func(context.Context) (lifecycle.Candidate, error)) func(context.Context) (lifecycle.Candidate, error) {
	if ask == nil {
		return nil
	}
	return func(ctx context.Context) (lifecycle.Candidate, error) {
		if err := present.AwaitTurn(ctx); err != nil {
			return lifecycle.Candidate{}, err
		}
		return ask(ctx)
	}
}
