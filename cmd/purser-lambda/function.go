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
	"purser/internal/wire/receipts"
)

// function has the program's inputs and outputs.
type function struct {
	env    config.Environment
	out    io.Writer // JSON lines, which Lambda sends to CloudWatch
	now    func() time.Time
	random io.Reader
	wait   func(context.Context, time.Duration) error // nil: a timer

	transport http.RoundTripper // to registries; nil: the default
	aws       *wire.LocalAWS    // a stand-in for AWS; may be nil
}

// job is an event and its credential.
type job struct {
	*function
	event
	wire       *wire.Wire
	credential credential.Credential
	places     []lifecycle.Place  // the event's secret is first
	recorder   *receipts.Recorder // nil: no receipts
}

// handle processes an event. An error makes AWS retry and raises the alarm's metric.
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

// failed makes the error for Lambda's log and metric. It contains only text, and nothing secret.
func (f *function) failed(err error) error {
	if _, ok := errors.AsType[*config.Error](err); ok {
		return fmt.Errorf("the configuration is invalid: %w", err)
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
			if j.recorder, err = receipts.New(ctx, j.wire, file, t, noPassphrase); err != nil {
				return nil, err
			}
			return j, j.others(ctx, c, i)
		}
	}
	return nil, &credential.Fault{
		Reason: credential.Usage, What: "no credential in the configuration uses this secret",
		Why: "AWS rotates " + e.secret + "; put its name and region under store, or its ARN if it belongs to another account than the function",
	}
}

// invokedARN is the function's ARN, which Lambda sends with each event.
func invokedARN(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		return lc.InvokedFunctionArn
	}
	return ""
}

// others adds the credential's other places, which change together with the secret.
func (j *job) others(ctx context.Context, c credential.Credential, rotated int) error {
	for i, t := range c.Targets {
		if i == rotated {
			continue
		}
		if t.Traits().Local {
			return &credential.Fault{Reason: credential.Usage, Target: t, What: "a function cannot rotate a credential that is also stored in a file", Why: "the file is on another machine"}
		}
		s, err := j.wire.Store(ctx, c, t)
		if err != nil {
			return err
		}
		j.places = append(j.places, lifecycle.Place{Target: t, Store: s})
	}
	return nil
}

// load reads the configuration that is deployed with the function, which is trusted.
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
		Reason: credential.NoConfiguration, What: "the function has no configuration", Why: "set PURSER_CONFIG_TEXT, or set PURSER_CONFIG to a file in the function",
	}
}

func (j *job) runner() *lifecycle.Runner {
	return &lifecycle.Runner{Prover: j.wire, Issuer: j.wire, Trusted: true, Now: j.now, Random: j.random, Wait: j.wait, Report: func(e lifecycle.Event) {
		j.log(map[string]string{"step": string(e.Step), "text": e.Text})
	}}
}

// log writes a line without secrets.
func (j *job) log(line map[string]string) {
	line["credential"], line["event"] = string(j.credential.Name), j.step
	if j.daily {
		line["event"] = daily
	}
	text, err := json.Marshal(line)
	if err == nil {
		_, _ = fmt.Fprintf(j.out, "%s\n", text) // nothing else can be done
	}
}

func (j *job) request(m lifecycle.Minter) lifecycle.StoreRequest {
	return lifecycle.StoreRequest{Credential: j.credential, Places: j.places, Mint: m, Version: j.version}
}

// rotate performs a step of a rotation.
func (j *job) rotate(ctx context.Context) error {
	var err error
	var res lifecycle.StoreResult
	switch j.step {
	case createSecret:
		err = j.create(ctx)
	case setSecret:
		// A new token works at the registry at once: there is nothing to set.
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

// create makes the token. If that needs a person, it abandons the rotation, so that the secret is not left
// in the middle of one.
func (j *job) create(ctx context.Context) error {
	m, err := j.minter(ctx)
	if err == nil {
		_, err = j.runner().StageScheduled(ctx, j.request(m))
	}
	if !needsPerson(err) {
		return err
	}
	j.log(map[string]string{"step": string(lifecycle.StepTidied), "text": "purser cannot make a token without a person; it abandons the rotation, and the current token stays"})
	return errors.Join(err, j.runner().AbandonScheduled(ctx, j.request(nil)))
}

// needsPerson reports whether retrying is pointless until somebody acts.
func needsPerson(err error) bool {
	switch credential.ReasonOf(err) {
	case credential.SessionNeeded, credential.SignInRefused, credential.SignInImpossible, credential.MintRefused, credential.TokenLimit, credential.PlanLacks,
		credential.SecretMissing, credential.SecretEmpty, credential.ValueStrange, credential.Usage, credential.NotPermitted, credential.LevelTooLow, credential.RepositoryMissing, credential.WrongOwner:
		return true
	}
	return false
}

// lookAfter finishes interrupted runs, retires the previous token after its overlap, and reports overdue
// rotations.
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
		// A rotation is running, or needs a person. Neither is a failure until the rotation is overdue.
		j.log(map[string]string{"step": string(lifecycle.StepDue), "text": "nothing was done: " + j.failed(err).Error()})
		return nil
	}
	return errors.Join(err, j.tell(ctx, eventFailed, err))
}

// graceful is how late a rotation may be: AWS retries for hours.
const graceful = 24 * time.Hour

// late returns an error if the rotation is overdue.
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
		return over("it was due on " + d.NextRotation.UTC().Format(time.DateOnly))
	case j.credential.Rotate.Every > 0 && !since.IsZero() && j.now().After(since.Add(j.credential.Rotate.Every+graceful)):
		return over("the current token is from " + since.UTC().Format(time.DateOnly))
	case !d.Expires.IsZero() && j.now().After(d.Expires.Add(-graceful)):
		return over("the current token expires on " + d.Expires.UTC().Format(time.DateOnly))
	}
	return nil
}

// minter signs in with the account in the management secret.
func (j *job) minter(ctx context.Context) (lifecycle.Minter, error) {
	cannot := func(why string) error {
		return &credential.Fault{Reason: credential.SessionNeeded, Registry: j.credential.Registry, Account: j.credential.Username, What: "purser cannot make a token without a person", Why: why}
	}
	switch {
	case registry.KindOf(j.credential.Registry).Accounts == nil:
		return nil, cannot("purser knows no API for tokens at " + string(j.credential.Registry))
	case j.env.ManagementSecret == "":
		return nil, cannot("PURSER_MANAGEMENT_SECRET_ID is not set")
	}
	m, err := j.wire.Unattended(ctx, j.env.ManagementSecret, j.credential)
	if err != nil {
		return nil, err
	}
	return m, nil
}
