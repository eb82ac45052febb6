// Package scope decides what purser scan looks for, and where: it reads the values of
// credentials, and turns what a person typed into places.
package scope

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"purser/internal/arguments"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/scan"
	"purser/internal/wire"
)

// Request is what a person asks for.
type Request struct {
	Args       []string // names of credentials, and places
	Here       bool     // also this machine's known places
	Staged     bool     // what is staged for the next commit
	LogsToken  string   // a variable with the token for a CI service's API
	LogsSecret string   // a secret in AWS with the login for it
	Since      string   // of the oldest build to search
	Prints     string   // a file of fingerprints, in the place of values
	Prove      bool     // ask registries whether they accept what else was found
}

// Machine is where a scan runs.
type Machine struct {
	Env       config.Environment
	Dir       string // the working directory; "": the process's
	In        io.Reader
	Now       func() time.Time
	Wait      func(context.Context, time.Duration) error // nil waits by the clock
	Transport http.RoundTripper                          // nil: the real one
	File      *config.File                               // nil: there is none
	Wire      *wire.Wire
	Person    bool // somebody is at a terminal
	// Reach prepares the way to a credential's targets, as by a sign-in.
	Reach func(context.Context, []credential.Target) error
}

// here and staged are the places that Request adds, as progress names them. No file has such a
// name.
const here, staged = "this machine/", "the next commit/"

// Plan is what a scan will do.
type Plan struct {
	Places []string // for progress

	machine *Machine
	request Request
	names   []string
	logs    map[string]scan.Logs
}

// Plan understands a request.
func (m *Machine) Plan(r Request) (*Plan, error) {
	p := &Plan{machine: m, request: r, logs: map[string]scan.Logs{}}
	for _, arg := range r.Args {
		if m.File != nil && slices.ContainsFunc(m.File.Credentials, func(c credential.Credential) bool { return string(c.Name) == arg }) {
			p.names = append(p.names, arg)
			continue
		}
		logs, isLogs, err := scan.ParseLogs(arg)
		if err != nil {
			return nil, err
		}
		if isLogs {
			p.logs[arg] = logs
		}
		if _, err := os.Lstat(m.path(arg)); !isLogs && !scan.IsImage(arg) && !scan.IsRemote(arg) && arg != "-" && errors.Is(err, fs.ErrNotExist) {
			return nil, &credential.Fault{Reason: credential.Usage, What: "there is no credential and no file with the name " + credential.Quote(arg), Why: "purser status lists the credentials"}
		}
		p.Places = append(p.Places, arg)
	}
	if r.Here {
		p.Places = append(p.Places, here)
	}
	if r.Staged {
		p.Places = append(p.Places, staged)
	}
	if len(p.Places) == 0 {
		p.Places = []string{"."}
	}
	return p, nil
}

// path resolves a path in the working directory.
func (m *Machine) path(path string) string {
	if m.Dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(m.Dir, path)
}

// Run reads the values, searches the places, and calls done after each. An error means that
// the scan did not run to its end.
func (p *Plan) Run(ctx context.Context, done func(int)) (*scan.Result, error) {
	values, faults, err := p.values(ctx)
	if err != nil {
		return nil, err
	}
	s, result := scan.Collect(values)
	result.Faults = faults
	if s.Forms, err = scan.NewForms(); err != nil {
		return nil, err
	}
	if p.request.Prints != "" {
		if s.Fingerprints, err = p.fingerprints(); err != nil {
			return nil, err
		}
	}
	for i, place := range p.Places {
		if err := p.look(ctx, s, place); err != nil {
			return nil, cmp.Or(credential.Stopped(ctx, "searching"), err)
		}
		done(i)
	}
	if p.request.Prove {
		p.prove(ctx, result)
	}
	result.Done(s)
	return result, ctx.Err()
}

// prove asks, once for each token, whether the registry to which its form leads accepts it.
// What consumers use now is known to work.
func (p *Plan) prove(ctx context.Context, r *scan.Result) {
	type answer struct {
		token credential.Secret
		works credential.Verdict
	}
	var asked []answer
	for i := range r.Findings {
		f := &r.Findings[i]
		token := f.Token
		if f.Value != nil {
			token = f.Value.Login.Token
		}
		if f.Current() {
			continue
		}
		n := slices.IndexFunc(asked, func(a answer) bool { return a.token.Equal(token) })
		if n < 0 {
			works, _ := p.machine.Wire.Works(ctx, token) // an error means unknown
			n, asked = len(asked), append(asked, answer{token, works})
		}
		f.Works = asked[n].works
	}
}

// values reads the tokens of the credentials. Those that it cannot read are faults, and the
// scan goes on.
func (p *Plan) values(ctx context.Context) (values []scan.Value, faults []error, err error) {
	m := p.machine
	if m.File == nil || p.request.Prints != "" {
		return nil, nil, nil
	}
	credentials, err := m.File.Chosen(p.names)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range credentials {
		if err := m.Reach(ctx, c.Targets); err != nil {
			return nil, nil, err
		}
		for _, t := range c.Targets {
			s, err := m.Wire.Bare(ctx, c, t) // the values go to no registry, so nobody has to agree
			if err == nil {
				var more []scan.Value
				more, err = scan.Values(ctx, c, m.Wire.Target(c, t), s, m.File.Trusted || m.Person)
				values = append(values, more...)
			}
			if err != nil {
				faults = append(faults, credential.About(err, c))
			}
		}
	}
	return values, faults, nil
}

func (p *Plan) look(ctx context.Context, s *scan.Scanner, place string) error {
	m := p.machine
	if logs, ok := p.logs[place]; ok {
		return p.lookInLogs(ctx, s, logs)
	}
	switch place {
	case "-":
		return s.Stream(ctx, m.In)
	case here:
		return s.Here(ctx, m.known())
	case staged:
		return unfit(ctx, s.Staged(ctx, m.path("."), m.Env.GitIndexFile))
	}
	if strings.HasPrefix(place, scan.ImageScheme) {
		return s.Image(ctx, place, m.Transport, authn.DefaultKeychain)
	}
	if folder, ok := strings.CutPrefix(place, scan.LayoutScheme); ok {
		return s.Layout(ctx, m.path(folder))
	}
	if scan.IsRemote(place) {
		return unfit(ctx, s.Remote(ctx, place))
	}
	return s.Files(ctx, m.path(place))
}

// unfit makes a fault of what git cannot do with what the person named.
func unfit(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &credential.Fault{Reason: credential.Usage, What: err.Error()}
}

// InstallHook writes the checkout's pre-commit hook, and returns where it is.
func (m *Machine) InstallHook(ctx context.Context) (string, error) {
	path, err := scan.InstallHook(ctx, m.path("."))
	return path, unfit(ctx, err)
}

// known says where this machine's known places are.
func (m *Machine) known() scan.Machine {
	e := m.Env
	known := scan.Machine{
		Home: e.Home, Config: e.XDGConfigHome, Data: e.XDGDataHome, Runtime: e.XDGRuntimeDir,
		Extra: []string{e.DockerConfig, e.RegistryAuthFile, e.BuildxConfig}, Proc: "/proc",
	}
	if e.Home != "" {
		known.Config, known.Data = cmp.Or(known.Config, filepath.Join(e.Home, ".config")), cmp.Or(known.Data, filepath.Join(e.Home, ".local", "share"))
	}
	return known
}

func (p *Plan) lookInLogs(ctx context.Context, s *scan.Scanner, logs scan.Logs) (err error) {
	m := p.machine
	if logs.Login, err = p.logsLogin(ctx); err != nil {
		return err
	}
	if logs.Since, err = arguments.Since(p.request.Since, m.Now()); err != nil {
		return err
	}
	logs.Transport = m.Transport
	if logs.Wait = m.Wait; logs.Wait == nil {
		logs.Wait = func(ctx context.Context, d time.Duration) error { return credential.Wait(ctx, d, "searching") }
	}
	return s.Logs(ctx, logs)
}

// logsLogin returns what signs in to a CI service.
func (p *Plan) logsLogin(ctx context.Context) (login credential.Login, err error) {
	m := p.machine
	if p.request.LogsSecret != "" {
		var near credential.Credential // the secret is in its account and region
		if m.File != nil && len(m.File.Credentials) > 0 {
			near = m.File.Credentials[0]
		}
		return m.Wire.LoginIn(ctx, p.request.LogsSecret, credential.ShapeToken, near)
	}
	ok := true
	if p.request.LogsToken != "" {
		login.Token, ok = config.SecretIn(p.request.LogsToken)
	}
	if !ok {
		err = &credential.Fault{Reason: credential.Usage, What: "the variable that --logs-token names is not set", Why: "it should hold a token that may read builds and their logs"}
	}
	return login, err
}

// Copies scans places for what a credential held before its present value, and tells where that
// is, and what could not be searched.
func (m *Machine) Copies(ctx context.Context, name credential.Name, places []string) (found, missed []string, err error) {
	plan, err := m.Plan(Request{Args: append([]string{string(name)}, places...)})
	if err != nil {
		return nil, nil, err
	}
	result, err := plan.Run(ctx, func(int) {})
	if err != nil {
		return nil, nil, err
	}
	for _, f := range result.Findings {
		if f.Value != nil && !f.Current() {
			found = append(found, f.Where.String())
		}
	}
	for _, at := range result.Missed {
		missed = append(missed, at.Where.String()+": "+at.Why)
	}
	for _, err := range result.Faults {
		missed = append(missed, err.Error())
	}
	return found, missed, nil
}

// Endable returns the tokens that are no credential's and that their vendor ends for whoever
// found them, each once.
func Endable(r *scan.Result) (tokens []credential.Secret) {
	for _, f := range r.Findings {
		if f.Value == nil && f.Works != credential.Refused && registry.MakerOf(f.Token).End != nil &&
			!slices.ContainsFunc(tokens, func(t credential.Secret) bool { return t.Equal(f.Token) }) {
			tokens = append(tokens, f.Token)
		}
	}
	return tokens
}
