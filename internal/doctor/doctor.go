// Package doctor looks at all that purser relies on, and says what is missing: the
// places of each credential, AWS's sign-in and clock, the project's Terraform, the
// registry, docker's configuration. What it may, it puts right.
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

// Finding is one thing that a look has shown.
type Finding struct {
	Credential credential.Name // "" for what all of them share
	Check      string
	Verdict    credential.Verdict
	Text       string
	Fault      error // why it is not good; nil otherwise
}

// Doctor is one visit. Its fields are set before it.
type Doctor struct {
	Wire *wire.Wire
	Env  config.Environment
	Now  func() time.Time
	// Confirm asks a person before something is put right; nil: nothing is.
	Confirm func(ctx context.Context, question string) error
	// Tell is called with each finding, in order.
	Tell func(Finding)
	// Looked is called when all of a credential has been looked at, by its place in the order;
	// nil: nobody is.
	Looked func(int)

	ctx   context.Context // of the one visit
	path  string          // of purser.yaml
	cut   bool            // it was told that the run was ended
	asked map[string]bool // what several credentials share is looked at once
}

func (d *Doctor) fixes() bool { return d.Confirm != nil }

// Look looks at credentials of the configuration at path, until ctx ends, and says how many
// it has looked at.
func (d *Doctor) Look(ctx context.Context, path string, credentials []credential.Credential) (done int) {
	d.ctx, d.path, d.asked = ctx, path, map[string]bool{}
	for i, c := range credentials {
		d.credential(c)
		if ctx.Err() != nil {
			if !d.cut {
				d.bad("", "Doctor", "", credential.Stopped(ctx, "looking at "+string(c.Name)))
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

// tell tells a finding. Of those that say no more than that the run was ended, one is enough.
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

// Bad is a thing that is missing, or one that could not be looked at: the fault
// tells which.
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

// once reports whether a thing is looked at for the first time.
func (d *Doctor) once(what string) bool {
	first := !d.asked[what]
	d.asked[what] = true
	return first
}

// target looks at one place where a credential is kept.
func (d *Doctor) target(c credential.Credential, t credential.Target) {
	k := t.Traits()
	place, err := d.Wire.Bare(d.ctx, c, t) // no value is read
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

// describe looks at a target that is open.
func (d *Doctor) describe(c credential.Credential, t credential.Target, place store.Store, who string) {
	noun := t.Traits().Noun
	description, err := place.Describe(d.ctx)
	missing := t.Traits().Local && credential.ReasonOf(err) == credential.SecretMissing // it is made when it is needed
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
		text += " is there and empty"
	default:
		text += " is there"
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

// signedIn looks once at each set of AWS credentials, and at the clock.
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
		d.unknown("", "Clock", "AWS does not say what time it is")
	case off >= limit:
		d.bad("", "Clock", "", &credential.Fault{Reason: credential.ClockSkew, What: "this machine's clock is off by " + off.String(), Why: "AWS takes five minutes at most"})
	case off >= askew:
		d.unknown("", "Clock", "this machine's is off by "+off.String()+"; AWS takes five minutes at most")
	default:
		d.good("", "Clock", "this machine's agrees with AWS's")
	}
	return true
}

// terraformOf looks whether the project's Terraform makes the secret, and leaves
// its value alone.
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

// terraformState looks at the state file beside the configuration, where that is
// where the state is.
func (d *Doctor) terraformState(c credential.Credential, t credential.Target, root, at string) {
	s := terraform.ReadState(filepath.Dir(at), t.Name)
	rel := func(path string) string {
		if r, err := filepath.Rel(root, path); err == nil {
			return r
		}
		return path
	}
	text := rel(at) + " makes " + t.Name + ", and leaves its value alone"
	switch {
	case s.Value:
		d.bad(c.Name, "Terraform", "", credential.About(&credential.Fault{
			Reason: credential.TerraformHolds, Target: t, What: "Terraform's state holds a value of " + t.Name,
			Why: rel(s.Path) + " has it as readable text, for whoever reads that file",
		}, c))
		return
	case s.Local && !s.Applied:
		d.unknown(c.Name, "Terraform", text+"; "+rel(s.Path)+" does not have it: terraform apply")
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

// docker looks at docker's own configuration for the credential's registry.
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
		d.good("", "Docker", "no configuration at "+s.Path+", so no login lies in it")
		return
	}
	clean := len(s.Plaintext) == 0 || d.fixes() && d.dropped(cfg, s)
	if !clean {
		d.bad("", "Docker", "", credential.About(&credential.Fault{
			Reason: credential.DockerPlaintext, Registry: c.Registry, What: "a login for " + string(c.Registry) + " lies readable in " + s.Path,
			Why: "docker login without a credential helper leaves base64 of USER:PASSWORD, which is no encryption",
		}, c))
	} else {
		d.good("", "Docker", "no login for "+string(c.Registry)+" lies readable in "+s.Path)
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
	d.good("", "Helper", "docker asks docker-credential-"+s.Helper+" for "+string(c.Registry)+"; "+version)
}

// configured has docker ask purser's helper, where that is installed and the
// person agrees.
func (d *Doctor) configured(c credential.Credential, s source.DockerState) string {
	if _, err := source.HelperVersion(d.ctx, source.Helper); err != nil {
		return ""
	}
	if d.Confirm(d.ctx, "Have docker ask docker-credential-"+source.Helper+" for "+string(c.Registry)+"?") != nil {
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

// dropped takes readable logins out, when the person agrees.
func (d *Doctor) dropped(cfg source.DockerConfig, s source.DockerState) bool {
	if err := d.Confirm(d.ctx, "Take the login for "+strings.Join(s.Plaintext, ", ")+" out of "+s.Path+"? docker must sign in again."); err != nil {
		return false
	}
	if err := cfg.DropAuths(s.Plaintext); err != nil {
		d.bad("", "Docker", "", err)
		return false
	}
	return true
}
