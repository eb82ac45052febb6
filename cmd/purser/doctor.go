package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"purser/internal/present"

	"github.com/spf13/cobra"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/signin"
	"purser/internal/source"
	"purser/internal/store"
	"purser/internal/terraform"
	"purser/internal/wire"
)

func (a *app) doctorCommand() *cobra.Command {
	var fix bool
	cmd := &cobra.Command{
		Use:   "doctor [NAME…]",
		Short: "Check everything that storing needs, and say how to get what is missing",
		Long: `doctor looks at all that the other commands rely on: purser.yaml, the AWS profile,
session and region, the clock, each secret with its key and what this identity may do
to it, the registries, and docker's own configuration. It reads no value and changes
nothing. For each thing that is missing it says why and what to type.

With --fix it does what can be done without Terraform, after asking: it signs in to AWS,
takes logins that anybody can read out of docker's configuration, and has docker ask
purser's credential helper where that is installed.

✓ is good, ✗ is not, ? could not be told. Exit codes are those of every command: the
worst of what was found.`,
		Example: `  purser doctor
  purser doctor dockerhub
  purser doctor --output json
  purser doctor --fix`,
		RunE: func(cmd *cobra.Command, args []string) error {
			d := &doctor{app: a, ctx: cmd.Context(), wire: a.wire(), fix: fix}
			return d.run(args)
		},
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "do what can be done without Terraform, after asking")
	return cmd
}

// finding is one line of the doctor's.
type finding struct {
	credential credential.Name // "" for what all of them share
	check      string
	verdict    credential.Verdict
	text       string
	fault      error // why it is not good; nil otherwise
}

// doctor is one visit.
type doctor struct {
	*app
	ctx  context.Context //nolint:containedctx // it lives for one command
	wire *wire.Wire
	fix  bool

	path     string
	findings []finding
	asked    map[string]bool // what several credentials share is looked at once
}

func (d *doctor) run(names []string) error {
	d.asked = map[string]bool{}
	file, err := d.load(true)
	if err != nil {
		d.bad("", "Config", "the configuration is not right", err)
		return d.end()
	}
	chosen, err := file.Chosen(names)
	if err != nil {
		return err
	}
	d.path = file.Path
	d.good("", "Config", fmt.Sprintf("%s names %s", file.Path, counted(len(file.Credentials), "credential")))
	if d.fix {
		for _, c := range chosen {
			if err := d.offerSignIn(d.ctx, d.wire, c.Targets); err != nil {
				return err
			}
		}
	}
	for _, c := range chosen {
		for _, t := range c.Targets {
			d.target(c, d.wire.Target(c, t))
		}
		d.terraformOf(c)
		d.registry(c)
		d.docker(c)
	}
	return d.end()
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (d *doctor) add(f finding) {
	d.findings = append(d.findings, f)
	if d.output.JSON {
		return
	}
	label := f.check
	if f.credential != "" {
		f.text = string(f.credential) + ": " + f.text
	}
	d.line(d.out, f.verdict, label, f.text)
	if f.fault == nil {
		return
	}
	var b strings.Builder
	if _, ok := errors.AsType[*config.Error](f.fault); ok {
		fmt.Fprintf(&b, "%s\n", present.Indent(f.fault.Error(), "    "))
	} else if fault, ok := present.AsFault(f.fault); ok {
		if fault.Why != "" {
			fmt.Fprintf(&b, "    why:  %s\n", fault.Why)
		}
		present.WriteAdvice(&b, present.Advise(fault), "    ")
	}
	_, _ = io.WriteString(d.out, b.String())
}

func (d *doctor) good(name credential.Name, check, text string) {
	d.add(finding{credential: name, check: check, verdict: credential.Granted, text: text})
}

func (d *doctor) unknown(name credential.Name, check, text string) {
	d.add(finding{credential: name, check: check, verdict: credential.Unknown, text: text})
}

// bad is a thing that is missing, or one that could not be looked at: the fault
// tells which.
func (d *doctor) bad(name credential.Name, check, text string, err error) {
	verdict := credential.Refused
	if present.ExitCode(err) == present.ExitUnknown {
		verdict = credential.Unknown
	}
	_, badConfig := errors.AsType[*config.Error](err)
	if f, ok := present.AsFault(err); ok && !badConfig {
		text = f.What
	}
	d.add(finding{credential: name, check: check, verdict: verdict, text: text, fault: err})
}

// once reports whether a thing is looked at for the first time.
func (d *doctor) once(what string) bool {
	first := !d.asked[what]
	d.asked[what] = true
	return first
}

// target looks at one place where a credential is kept.
func (d *doctor) target(c credential.Credential, t credential.Target) {
	k := t.Traits()
	place, err := d.wire.Bare(d.ctx, c, t) // no value is read
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
func (d *doctor) describe(c credential.Credential, t credential.Target, place store.Store, who string) {
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

func (d *doctor) found(c credential.Credential, f store.Finding) {
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
func (d *doctor) signedIn(c credential.Credential, t credential.Target, place store.Store) bool {
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
	id, err := d.wire.Identity(d.ctx, t)
	if err == nil {
		who += ", account " + id.Account
	}
	if p, err := d.wire.Profiles().Profile(d.wire.ProfileName(t)); err == nil && p.SSO() && !d.env.HasAWSCredentials() && d.aws == nil {
		if _, until := (signin.Cache{Dir: d.env.SSOCacheDir()}).State(p, d.now()); !until.IsZero() {
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
func (d *doctor) terraformOf(c credential.Credential) {
	root := filepath.Dir(d.path)
	if err := overwrites(root, c); err != nil {
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
func (d *doctor) terraformState(c credential.Credential, t credential.Target, root, at string) {
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

func (d *doctor) registry(c credential.Credential) {
	if !d.once("registry " + string(c.Registry) + " " + c.CAFile) {
		return
	}
	how, err := d.wire.Reach(d.ctx, c)
	if err != nil {
		d.bad("", "Registry", string(c.Registry), credential.About(err, c))
		return
	}
	var through []string
	if d.env.Proxy {
		through = append(through, "through the proxy of HTTPS_PROXY")
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
func (d *doctor) docker(c credential.Credential) {
	if !d.once("docker " + string(c.Registry)) {
		return
	}
	cfg := source.DockerConfig{Dir: d.env.DockerConfigDir(), Registry: c.Registry}
	s, err := cfg.State()
	if err != nil {
		d.bad("", "Docker", "", err)
		return
	}
	if !s.Exists && !d.fix {
		d.good("", "Docker", "no configuration at "+s.Path+", so no login lies in it")
		return
	}
	clean := len(s.Plaintext) == 0 || d.fix && d.dropped(cfg, s)
	if !clean {
		d.bad("", "Docker", "", credential.About(&credential.Fault{
			Reason: credential.DockerPlaintext, Registry: c.Registry, What: "a login for " + string(c.Registry) + " lies readable in " + s.Path,
			Why: "docker login without a credential helper leaves base64 of USER:PASSWORD, which is no encryption",
		}, c))
	} else {
		d.good("", "Docker", "no login for "+string(c.Registry)+" lies readable in "+s.Path)
	}
	if s.Helper == "" && d.fix {
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
func (d *doctor) configured(c credential.Credential, s source.DockerState) string {
	if _, err := source.HelperVersion(d.ctx, helperName); err != nil {
		return ""
	}
	if d.tty.Confirm(d.ctx, "Have docker ask docker-credential-"+helperName+" for "+string(c.Registry)+"?") != nil {
		return ""
	}
	change, err := source.SetHelper(s.Path, helperName, []credential.Host{c.Registry}, false)
	if err == nil {
		err = change.Write()
	}
	if err != nil {
		d.bad("", "Docker", "", err)
		return ""
	}
	return helperName
}

// dropped takes readable logins out, when the person agrees.
func (d *doctor) dropped(cfg source.DockerConfig, s source.DockerState) bool {
	if err := d.tty.Confirm(d.ctx, "Take the login for "+strings.Join(s.Plaintext, ", ")+" out of "+s.Path+"? docker must sign in again."); err != nil {
		return false
	}
	if err := cfg.DropAuths(s.Plaintext); err != nil {
		d.bad("", "Docker", "", err)
		return false
	}
	return true
}

// doctorJSON is a finding as JSON.
type doctorJSON struct {
	Credential string             `json:"credential,omitempty"`
	Check      string             `json:"check"`
	Verdict    string             `json:"verdict"`
	Text       string             `json:"text"`
	Error      *present.ErrorJSON `json:"error,omitempty"`
}

// end prints what is not printed yet and chooses the exit code.
func (d *doctor) end() error {
	var codes []int
	var rows []doctorJSON
	for _, f := range d.findings {
		if f.fault != nil {
			codes = append(codes, present.ExitCode(f.fault))
		}
		rows = append(rows, doctorJSON{
			Credential: string(f.credential), Check: strings.ToLower(f.check), Verdict: f.verdict.String(), Text: f.text, Error: present.ErrorReport(f.fault),
		})
	}
	code := present.Worst(codes...)
	if d.output.JSON {
		d.writeJSON(present.Exited(code).With("doctor", rows))
	}
	if code != present.ExitOK {
		return &present.Reported{Code: code}
	}
	return nil
}
