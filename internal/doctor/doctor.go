// Package doctor checks what purser relies on: each credential's places, AWS's sign-in and
// clock, the project's Terraform, the registry and docker's configuration. It fixes what it
// may.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
	"purser/internal/signin"
	"purser/internal/source"
	"purser/internal/store"
	"purser/internal/terraform"
	"purser/internal/wire"
)

// Finding is the result of one check.
type Finding struct {
	Credential credential.Name // "" if shared by all
	Check      string
	Verdict    credential.Verdict
	Text       string
	Fault      error // what is wrong; may be nil
}

// Doctor is one run. Set its fields first.
type Doctor struct {
	Wire *wire.Wire
	Env  config.Environment
	Now  func() time.Time
	// Confirm asks a person before each fix; nil: fix nothing.
	Confirm func(ctx context.Context, question string) error
	// Tell is called with each finding, in order.
	Tell func(Finding)
	// Looked is called after all checks of the i-th credential; may be nil.
	Looked func(int)

	ctx   context.Context // the run's
	path  string          // of purser.yaml
	cut   bool            // the end of the run was reported
	asked map[string]bool // checks that several credentials share
}

func (d *Doctor) fixes() bool { return d.Confirm != nil }

// Look checks credentials of the configuration at path until ctx ends, and returns how many it
// finished.
func (d *Doctor) Look(ctx context.Context, path string, credentials []credential.Credential) (done int) {
	d.ctx, d.path, d.asked = ctx, path, map[string]bool{}
	for i, c := range credentials {
		d.credential(c)
		if ctx.Err() != nil {
			if !d.cut {
				d.bad("", "Doctor", "", credential.Stopped(ctx, "checking "+string(c.Name)))
			}
			return i
		}
		if d.Looked != nil {
			d.Looked(i)
		}
	}
	return len(credentials)
}

func (d *Doctor) credential(c credential.Credential) {
	looks := []func(){func() { d.terraformOf(c) }, func() { d.registry(c) }, func() { d.docker(c) }}
	for _, t := range slices.Backward(c.Targets) {
		looks = append([]func(){func() { d.target(c, d.Wire.Target(c, t)) }}, looks...)
	}
	for _, look := range looks {
		if d.ctx.Err() == nil {
			look()
		}
	}
}

// tell passes on a finding, but only the first that just reports the end of the run.
func (d *Doctor) tell(f Finding) {
	cut := present.CutShort(f.Fault)
	if !cut || !d.cut {
		d.Tell(f)
	}
	d.cut = d.cut || cut
}

func (d *Doctor) good(name credential.Name, check, text string) {
	d.tell(Finding{Credential: name, Check: check, Verdict: credential.Granted, Text: text})
}

func (d *Doctor) unknown(name credential.Name, check, text string) {
	d.tell(Finding{Credential: name, Check: check, Verdict: credential.Unknown, Text: text})
}

func (d *Doctor) bad(name credential.Name, check, text string, err error) {
	d.tell(Bad(name, check, text, err))
}

// Bad returns a failed check, or an unknown one, depending on the fault.
func Bad(name credential.Name, check, text string, err error) Finding {
	f := Finding{Credential: name, Check: check, Verdict: credential.Refused, Text: text, Fault: err}
	if present.ExitCode(err) == present.ExitUnknown {
		f.Verdict = credential.Unknown
	}
	_, badConfig := errors.AsType[*config.Error](err)
	if fault, ok := present.AsFault(err); ok && !badConfig {
		f.Text = fault.What
	}
	return f
}

// once reports whether a check has not run yet.
func (d *Doctor) once(what string) bool {
	first := !d.asked[what]
	d.asked[what] = true
	return first
}

// target checks a place of a credential.
func (d *Doctor) target(c credential.Credential, t credential.Target) {
	k := t.Traits()
	place, err := d.Wire.Bare(d.ctx, c, t) // reads no value
	if err != nil {
		if d.once(k.Opener + " " + t.Profile + " " + t.Region) {
			d.bad("", k.Opener, "", credential.About(err, c))
		}
		return
	}
	who, opened := "", true
	if k.Cloud != "" {
		opened = d.signedIn(c, t, place)
	} else if who, err = place.Open(d.ctx); err != nil {
		d.bad(c.Name, k.Noun, "", credential.About(err, c))
		opened = false
	}
	if opened {
		d.describe(c, t, place, who)
	}
}

// describe checks an open target.
func (d *Doctor) describe(c credential.Credential, t credential.Target, place store.Store, who string) {
	noun := t.Traits().Noun
	description, err := place.Describe(d.ctx)
	missing := t.Traits().Local && credential.ReasonOf(err) == credential.SecretMissing // purser creates it when needed
	if err != nil && !missing {
		d.bad(c.Name, noun, "", credential.About(err, c))
		return
	}
	if f := cmp.Or(lifecycle.Deletion(t, description), lifecycle.Misplaced(t, description, c.Registry)); f != nil {
		d.bad(c.Name, noun, "", credential.About(f, c))
		return
	}
	text := t.Name
	switch {
	case who != "":
		text += ", opened by " + who
	case description.At(credential.Current) == "":
		text += " exists and is empty"
	default:
		text += " exists"
	}
	d.good(c.Name, noun, text)
	x, ok := place.(store.Examiner)
	if !ok || missing {
		return
	}
	for _, f := range x.Examine(d.ctx, description) {
		d.found(c, f)
	}
}

func (d *Doctor) found(c credential.Credential, f store.Finding) {
	switch f.Verdict {
	case credential.Granted:
		d.good(c.Name, f.About, f.Text)
	case credential.Refused:
		d.bad(c.Name, f.About, f.Text, credential.About(f.Fault, c))
	case credential.Unknown:
		d.unknown(c.Name, f.About, f.Text)
	}
}

// signedIn checks each set of AWS credentials once, and the clock.
func (d *Doctor) signedIn(c credential.Credential, t credential.Target, place store.Store) bool {
	key := "aws " + t.Profile + " " + t.Region
	if !d.once(key) {
		return !d.asked["failed "+key]
	}
	who, err := place.Open(d.ctx)
	if err != nil {
		d.asked["failed "+key] = true
		d.bad("", "AWS", "", credential.About(err, c))
		return false
	}
	id, err := d.Wire.Identity(d.ctx, t)
	if err == nil {
		who += ", account " + id.Account
	}
	if p, err := d.Wire.Profiles().Profile(d.Wire.ProfileName(t)); err == nil && p.SSO() && !d.Env.HasAWSCredentials() && d.Wire.AWS == nil {
		if _, until := (signin.Cache{Dir: d.Env.SSOCacheDir()}).State(p, d.Now()); !until.IsZero() {
			who += ", session until " + until.Local().Format("2006-01-02 15:04")
		}
	}
	d.good("", "AWS", who)
	const askew, limit = 30 * time.Second, 5 * time.Minute
	switch off := id.Ahead.Abs(); {
	case !id.Timed:
		d.unknown("", "Clock", "AWS's answer has no time")
	case off >= limit:
		d.bad("", "Clock", "", &credential.Fault{Reason: credential.ClockSkew, What: "this machine's clock is off by " + off.String(), Why: "AWS accepts five minutes at most"})
	case off >= askew:
		d.unknown("", "Clock", "this machine's clock is off by "+off.String()+"; AWS accepts five minutes at most")
	default:
		d.good("", "Clock", "this machine's clock agrees with AWS's")
	}
	return true
}

// terraformOf checks whether the project's Terraform creates the secret and ignores its value.
func (d *Doctor) terraformOf(c credential.Credential) {
	root := filepath.Dir(d.path)
	if err := terraform.Overwrites(root, c); err != nil {
		d.bad(c.Name, "Terraform", "", credential.About(err, c))
		return
	}
	for _, t := range c.Targets {
		if t.Kind != config.SecretKind {
			continue
		}
		at, problem := terraform.Find(root, t.Name)
		switch {
		case at != "":
			d.terraformState(c, t, root, at)
		case problem != nil && d.once("terraform "+problem.Error()):
			d.bad("", "Terraform", "", problem)
		}
	}
}

// terraformState checks the state file beside the configuration, if the state is local.
func (d *Doctor) terraformState(c credential.Credential, t credential.Target, root, at string) {
	s := terraform.ReadState(filepath.Dir(at), t.Name)
	rel := func(path string) string {
		if r, err := filepath.Rel(root, path); err == nil {
			return r
		}
		return path
	}
	text := rel(at) + " creates " + t.Name + " and ignores its value"
	switch {
	case s.Value:
		d.bad(c.Name, "Terraform", "", credential.About(&credential.Fault{
			Reason: credential.TerraformHolds, Target: t, What: "Terraform's state contains a value of " + t.Name,
			Why: rel(s.Path) + " stores it unencrypted, and anyone who can read the file can use it",
		}, c))
		return
	case s.Local && !s.Applied:
		d.unknown(c.Name, "Terraform", text+", but "+rel(s.Path)+" lacks it; run terraform apply")
		return
	case s.Local:
		text += "; applied"
	}
	d.good(c.Name, "Terraform", text)
}

func (d *Doctor) registry(c credential.Credential) {
	if !d.once("registry " + string(c.Registry) + " " + c.CAFile) {
		return
	}
	how, err := d.Wire.Reach(d.ctx, c)
	if err != nil {
		d.bad("", "Registry", string(c.Registry), credential.About(err, c))
		return
	}
	var through []string
	if d.Env.Proxy != "" {
		through = append(through, "through the proxy "+d.Env.Proxy+" of HTTPS_PROXY")
	}
	if c.CAFile != "" {
		through = append(through, "trusting "+c.CAFile)
	}
	text := string(c.Registry) + " answers"
	if len(through) > 0 {
		text += " " + strings.Join(through, ", ")
	}
	d.good("", "Registry", text+"; "+how)
}

// docker checks docker's configuration for the credential's registry.
func (d *Doctor) docker(c credential.Credential) {
	if !d.once("docker " + string(c.Registry)) {
		return
	}
	cfg := source.DockerConfig{Dir: d.Env.DockerConfigDir(), Registry: c.Registry}
	s, err := cfg.State()
	if err != nil {
		d.bad("", "Docker", "", err)
		return
	}
	if !s.Exists && !d.fixes() {
		d.good("", "Docker", "there is no "+s.Path+", so there is nothing to clean up")
		return
	}
	clean := len(s.Plaintext) == 0 || d.fixes() && d.dropped(cfg, s)
	if !clean {
		d.bad("", "Docker", "", credential.About(&credential.Fault{
			Reason: credential.DockerPlaintext, Registry: c.Registry, What: "your login for " + string(c.Registry) + " is stored unencrypted in " + s.Path,
			Why: "without a credential helper, docker login stores USER:PASSWORD in base64, which is not encryption",
		}, c))
	} else {
		d.good("", "Docker", s.Path+" stores no unencrypted login for "+string(c.Registry))
	}
	if s.Helper == "" && d.fixes() {
		s.Helper = d.configured(c, s)
	}
	if s.Helper == "" || !d.once("helper "+s.Helper) {
		return
	}
	version, err := source.HelperVersion(d.ctx, s.Helper)
	if err != nil {
		d.bad("", "Helper", "", err)
		return
	}
	d.good("", "Helper", "docker gets logins for "+string(c.Registry)+" from docker-credential-"+s.Helper+", "+version)
}

// configured sets purser's helper for docker, if it is installed and the person agrees.
func (d *Doctor) configured(c credential.Credential, s source.DockerState) string {
	if _, err := source.HelperVersion(d.ctx, source.Helper); err != nil {
		return ""
	}
	if d.Confirm(d.ctx, "Set up docker to get logins for "+string(c.Registry)+" from docker-credential-"+source.Helper+"?") != nil {
		return ""
	}
	change, err := source.SetHelper(s.Path, source.Helper, []credential.Host{c.Registry}, false)
	if err == nil {
		err = change.Write()
	}
	if err != nil {
		d.bad("", "Docker", "", err)
		return ""
	}
	return source.Helper
}

// dropped removes unencrypted logins, if the person agrees.
func (d *Doctor) dropped(cfg source.DockerConfig, s source.DockerState) bool {
	if err := d.Confirm(d.ctx, "Remove the login for "+strings.Join(s.Plaintext, ", ")+" from "+s.Path+"? You must sign in to docker again."); err != nil {
		return false
	}
	if err := cfg.DropAuths(s.Plaintext); err != nil {
		d.bad("", "Docker", "", err)
		return false
	}
	return true
}
