package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/receipt"
	"purser/internal/registry"
	"purser/internal/wire"
)

// function is what the program gets from outside.
type function struct {
	env    config.Environment
	out    io.Writer // lines of JSON, which Lambda puts into CloudWatch
	now    func() time.Time
	random io.Reader
	wait   func(context.Context, time.Duration) error // nil waits on the clock

	transport http.RoundTripper // to registries; nil: the real one
	aws       *wire.LocalAWS    // a stand-in for AWS; nil: the real one
}

// job is one event with what it is about.
type job struct {
	*function
	event
	wire       *wire.Wire
	credential credential.Credential
	places     []lifecycle.Place // the secret of the event first
	recorder   *wire.Recorder    // nil: no receipts are wanted
}

// handle does what an event asks for. An error has AWS try again, and is counted for
// the alarm.
func (f *function) handle(ctx context.Context, raw []byte) error {
	e, err := readEvent(raw)
	if err != nil {
		return f.failed(err)
	}
	j, err := f.job(ctx, e)
	if err != nil {
		return f.failed(err)
	}
	if e.daily {
		err = j.lookAfter(ctx)
	} else {
		err = j.rotate(ctx)
	}
	if err != nil {
		var flt *credential.Fault
		if errors.As(err, &flt) {
			_ = flt.About(j.credential) // changes it in place
		}
		return f.failed(err)
	}
	return nil
}

// failed makes the error that Lambda logs and counts: its text alone, which never holds
// anything secret.
func (f *function) failed(err error) error {
	if _, ok := errors.AsType[*config.Error](err); ok {
		return fmt.Errorf("the configuration is not right: %w", err)
	}
	if flt, ok := errors.AsType[*credential.Fault](err); ok {
		return errors.New(flt.Error())
	}
	return errors.New(credential.Quote(err.Error()))
}

func (f *function) job(ctx context.Context, e event) (*job, error) {
	file, err := f.load()
	if err != nil {
		return nil, err
	}
	self := invokedARN(ctx)
	j := &job{function: f, event: e, wire: &wire.Wire{Env: f.env, Now: f.now, Transport: f.transport, AWS: f.aws, Trusted: true}}
	for _, c := range file.Credentials {
		for i, t := range c.Targets {
			if !names(t, e.secret, self) {
				continue
			}
			j.credential = c
			rotated := t
			rotated.Name = e.secret
			s, err := j.wire.RotatingStore(ctx, c, rotated, e.rotation)
			if err != nil {
				return nil, err
			}
			j.places = []lifecycle.Place{{Target: t, Store: s}}
			if j.recorder, err = j.wire.Recorder(ctx, file, t, noPassphrase); err != nil {
				return nil, err
			}
			return j, j.others(ctx, c, i)
		}
	}
	return nil, &credential.Fault{
		Reason: credential.Usage, What: "the configuration names no credential that is kept in this secret",
		Why: e.secret + " is what AWS rotates; its name and region have to be under store, or its ARN where it is in another account than the function",
	}
}

// invokedARN is the function's own ARN, as Lambda tells it with each event.
func invokedARN(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.InvokedFunctionArn
	}
	return ""
}

// others are the places that move together with the secret.
func (j *job) others(ctx context.Context, c credential.Credential, rotated int) error {
	for i, t := range c.Targets {
		if i == rotated {
			continue
		}
		if t.Traits().Local {
			return &credential.Fault{Reason: credential.Usage, Target: t, What: "a credential with a file among its targets cannot be rotated by a function", Why: "the file is on another machine"}
		}
		s, err := j.wire.Store(ctx, c, t)
		if err != nil {
			return err
		}
		j.places = append(j.places, lifecycle.Place{Target: t, Store: s})
	}
	return nil
}

// load reads the function's configuration, which comes with the function: no checkout
// has written it.
func (f *function) load() (file *config.File, err error) {
	if err := f.env.CheckTokens(); err != nil {
		return nil, err
	}
	switch {
	case f.env.Config != "":
		file, err = config.Load(f.env.Config, f.env)
	case f.env.ConfigText != "":
		file, err = config.Parse("PURSER_CONFIG_TEXT", []byte(f.env.ConfigText), config.Options{})
	default:
		return nil, noConfiguration()
	}
	if err != nil {
		return nil, err
	}
	file.Trusted = true
	return file, nil
}

func noConfiguration() error {
	return &credential.Fault{
		Reason: credential.NoConfiguration, What: "the function has no configuration", Why: "PURSER_CONFIG_TEXT has it, or PURSER_CONFIG names a file of the function's",
	}
}

func (j *job) runner() *lifecycle.Runner {
	return &lifecycle.Runner{Prover: j.wire, Trusted: true, Now: j.now, Random: j.random, Wait: j.wait, Report: func(e lifecycle.Event) {
		j.log(map[string]string{"step": string(e.Step), "text": e.Text})
	}}
}

// log writes a line. Its texts hold nothing secret.
func (j *job) log(line map[string]string) {
	line["credential"], line["event"] = string(j.credential.Name), j.step
	if j.daily {
		line["event"] = daily
	}
	text, err := json.Marshal(line)
	if err == nil {
		_, _ = fmt.Fprintf(j.out, "%s\n", text) // there is nobody to tell
	}
}

func (j *job) request(m lifecycle.Minter) lifecycle.StoreRequest {
	return lifecycle.StoreRequest{Credential: j.credential, Places: j.places, Mint: m, Version: j.version}
}

// rotate does one step of a rotation.
func (j *job) rotate(ctx context.Context) error {
	var err error
	var res lifecycle.StoreResult
	switch j.step {
	case createSecret:
		err = j.create(ctx)
	case setSecret:
		// A token that the registry has made works at once: there is nothing to set.
	case testSecret:
		err = j.runner().ProveScheduled(ctx, j.request(nil))
	case finishSecret:
		if res, err = j.runner().FinishScheduled(ctx, j.request(nil)); err == nil && len(res.Places) > 0 {
			return errors.Join(j.record(ctx, receipt.Rotate, res, nil), j.tell(ctx, eventDone, nil))
		}
	}
	if err != nil {
		return errors.Join(err, j.tell(ctx, eventFailed, err))
	}
	return nil
}

// create makes the token. Where nobody can make one without a person, the rotation is
// ended, so that the secret is not left in the middle of it.
func (j *job) create(ctx context.Context) error {
	m, err := j.minter(ctx)
	if err == nil {
		_, err = j.runner().StageScheduled(ctx, j.request(m))
	}
	if !needsPerson(err) {
		return err
	}
	j.log(map[string]string{"step": string(lifecycle.StepTidied), "text": "no token can be made without a person; the rotation is given up, and what is current stays"})
	return errors.Join(err, j.runner().AbandonScheduled(ctx, j.request(nil)))
}

// needsPerson reports whether trying again would end the same until somebody acts.
func needsPerson(err error) bool {
	switch credential.ReasonOf(err) {
	case credential.SessionNeeded, credential.SignInRefused, credential.SignInImpossible, credential.MintRefused, credential.TokenLimit, credential.PlanLacks,
		credential.SecretMissing, credential.SecretEmpty, credential.ValueStrange, credential.Usage, credential.NotPermitted, credential.LevelTooLow, credential.RepositoryMissing, credential.WrongOwner:
		return true
	}
	return false
}

// lookAfter finishes what an interrupted run has left, retires the token before when its
// overlap is over, and says when a rotation that should have been was not.
func (j *job) lookAfter(ctx context.Context) error {
	m, err := j.minter(ctx)
	if err == nil {
		req := lifecycle.RotateRequest{StoreRequest: j.request(m), Finish: true}
		var res lifecycle.RotateResult
		if res, err = j.runner().Rotate(ctx, req); err == nil && res.Retired {
			if err := errors.Join(j.record(ctx, receipt.Retire, lifecycle.StoreResult{}, res.Ended), j.tell(ctx, eventRetired, nil)); err != nil {
				return err
			}
		}
	}
	if late := j.late(ctx); late != nil {
		return errors.Join(late, err, j.tell(ctx, eventOverdue, late))
	}
	switch {
	case err == nil:
		return nil
	case credential.ReasonOf(err) == credential.MidRotation || needsPerson(err):
		// A rotation is under way, or can only be done by a person: neither is a failure
		// before its time is over.
		j.log(map[string]string{"step": string(lifecycle.StepDue), "text": "nothing was done: " + j.failed(err).Error()})
		return nil
	}
	return errors.Join(err, j.tell(ctx, eventFailed, err))
}

// graceful is for how long a rotation may be over its time: AWS tries for hours.
const graceful = 24 * time.Hour

// late is an error when the secret should have been rotated by now.
func (j *job) late(ctx context.Context) error {
	d, err := j.places[0].Store.Describe(ctx)
	if err != nil {
		return err
	}
	target := j.places[0].Target
	over := func(why string) error {
		return &credential.Fault{Reason: credential.RotationOverdue, Target: target, What: "the rotation of " + target.String() + " is overdue", Why: why}
	}
	since, _ := d.CurrentSince()
	switch {
	case !d.Rotating:
		return over("rotation is not enabled for the secret")
	case !d.NextRotation.IsZero() && j.now().After(d.NextRotation.Add(graceful)):
		return over("it should have been on " + d.NextRotation.UTC().Format(time.DateOnly))
	case j.credential.Rotate.Every > 0 && !since.IsZero() && j.now().After(since.Add(j.credential.Rotate.Every+graceful)):
		return over("what is current is from " + since.UTC().Format(time.DateOnly))
	case !d.Expires.IsZero() && j.now().After(d.Expires.Add(-graceful)):
		return over("the token that is current ends on " + d.Expires.UTC().Format(time.DateOnly))
	}
	return nil
}

// minter signs in with the account in the management secret.
func (j *job) minter(ctx context.Context) (lifecycle.Minter, error) {
	cannot := func(why string) error {
		return &credential.Fault{Reason: credential.SessionNeeded, Registry: j.credential.Registry, Account: j.credential.Username, What: "no token can be made without a person", Why: why}
	}
	switch {
	case registry.KindOf(j.credential.Registry).Accounts == nil:
		return nil, cannot(string(j.credential.Registry) + " has no interface for it that purser knows")
	case j.env.ManagementSecret == "":
		return nil, cannot("PURSER_MANAGEMENT_SECRET_ID names no account that may")
	}
	m, err := j.wire.Unattended(ctx, j.env.ManagementSecret, j.credential)
	if err != nil {
		return nil, err
	}
	return m, nil
}
