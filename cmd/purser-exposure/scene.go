package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/exposure"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
)

// flow is a command line in a situation. A test requires flows for every command.
type flow struct {
	name  string
	args  []string
	want  int                // exit code, or minus the number of the signal that kills it
	set   func(*scene) error // prepares the situation; may be nil
	allow []exposure.Channel // where the command hands the secret over intentionally
	leaks exposure.Channel   // of a control: where the leak must be found
	shell bool               // of a control: args are a script for sh

	leaking bool      // needs the build that leaks
	helper  helperUse // use of docker-credential-purser
}

func (f flow) commandLine() string { return "purser " + strings.Join(f.args, " ") }

// scene is the environment of a flow.
type scene struct {
	box      *sandbox.Sandbox
	ctx      context.Context // the flow's
	purser   string          // the shipped program
	run      *exposure.Run
	reached  chan struct{} // closed when the flow reaches a fault
	once     sync.Once
	mu       sync.Mutex // guards canaries
	canaries []exposure.Canary
}

const configuration = `aws: {region: eu-west-2}
credentials:
  dockerhub:
    registry: docker.io
    username: mockserver
    repositories: [mockserver/mockserver]
    access: push
    store: {secret: mockserver-build/dockerhub}
    rotate: {every: 90d}
  laptop:
    registry: docker.io
    repositories: [mockserver/mockserver]
  locked:
    registry: docker.io
    repositories: [mockserver/mockserver]
    store: {file: locked.age.json, passphrase: true}
`

// helperUse is how a flow uses docker-credential-purser.
type helperUse int

const (
	noHelper    helperUse = iota
	needsHelper           // it must be installed
	isHelper              // it is the program under test
)

// watch runs a flow in a fresh scene.
func watch(ctx context.Context, watcher *exposure.Watcher, o options, f flow) (res exposure.Result, err error) {
	s := &scene{ctx: ctx, reached: make(chan struct{})}
	if s.box, err = sandbox.Start(ctx, sandbox.Options{Issued: s.issued}); err != nil {
		return res, err
	}
	dir, err := os.MkdirTemp("", "purser-exposure-")
	if err != nil {
		return res, errors.Join(err, s.box.Close())
	}
	defer func() { err = errors.Join(err, s.box.Close(), os.RemoveAll(dir)) }()
	program := o.purser
	if f.leaking {
		program = o.leaking
	}
	if f.helper == isHelper {
		program = o.helper
	}
	s.purser = o.purser
	s.run = &exposure.Run{Program: program, Args: f.args, Dir: dir, Allow: f.allow, Peers: s.box.Peers(), Canaries: s.known}
	if f.shell {
		s.run.Program, s.run.Args = "/bin/sh", []string{"-c", strings.Join(f.args, " ")}
	}
	if err := s.furnish(dir); err != nil {
		return res, err
	}
	if f.helper == needsHelper {
		if err := os.Symlink(o.helper, filepath.Join(dir, filepath.Base(o.helper))); err != nil {
			return res, err
		}
	}
	if f.set != nil {
		if err := f.set(s); err != nil {
			return res, err
		}
	}
	if res, err = watcher.Run(ctx, *s.run); err != nil {
		return res, err
	}
	for _, host := range s.box.Strangers() {
		res.Findings = append(res.Findings, exposure.Finding{Channel: exposure.Network, What: "a connection to a host that is not allowed", Where: host})
	}
	return res, nil
}

// furnish writes the configuration and sets a user's environment.
func (s *scene) furnish(dir string) error {
	vars, err := s.box.Environment(dir)
	if err != nil {
		return err
	}
	s.run.Env = append(vars, "HOME="+dir, "PATH="+dir+":/usr/local/bin:/usr/bin:/bin", "TERM=xterm", "GOTRACEBACK=crash")
	s.canaries = []exposure.Canary{
		{Name: "the token that may push", Secret: s.box.PushToken}, {Name: "the second token", Secret: s.box.SecondPushToken},
		{Name: "the read-only token", Secret: s.box.ReadOnlyToken}, {Name: "the revoked token", Secret: s.box.RevokedToken},
		{Name: "the token of another account", Secret: s.box.OtherToken}, {Name: "the password", Secret: s.box.Password},
		{Name: "the session", Secret: sessionCanary}, {Name: "the passphrase", Secret: passphraseCanary},
	}
	return s.file(config.FileName, configuration, false)
}

var (
	sessionCanary    = credential.NewSecret("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJGQUtFRkFLRSJ9.Rk1xWjNOb3RBU2Vzc2lvbg")
	passphraseCanary = credential.NewSecret("FAKE-crab-lemon-orbit-77")
)

// issued adds a bearer's signature, which is its secret part, as a canary.
func (s *scene) issued(bearer credential.Secret) {
	text := bearer.Reveal()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.canaries = append(s.canaries, exposure.Canary{Name: "a bearer", Secret: credential.NewSecret(text[strings.LastIndex(text, ".")+1:])})
}

func (s *scene) known() []exposure.Canary {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]exposure.Canary{}, s.canaries...)
}

func (s *scene) file(name, text string, executable bool) error {
	mode := os.FileMode(0o600)
	if executable {
		mode = 0o700
	}
	path := filepath.Join(s.run.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), mode)
}

// stored stores a token in an earlier run that is not watched.
func stored(token func(*sandbox.Sandbox) credential.Secret, name string) func(*scene) error {
	return func(s *scene) error {
		first := exec.CommandContext(s.ctx, s.purser, "store", name, "--token-stdin", "--create") //nolint:gosec // the program under test
		first.Dir, first.Env, first.Stdin = s.run.Dir, s.run.Env, strings.NewReader(token(s.box).Reveal())
		if said, err := first.CombinedOutput(); err != nil {
			return fmt.Errorf("store a first token: %w: %s", err, said)
		}
		return nil
	}
}

func pushToken(b *sandbox.Sandbox) credential.Secret   { return b.PushToken }
func secondToken(b *sandbox.Sandbox) credential.Secret { return b.SecondPushToken }

// input passes a secret on standard input.
func input(token func(*sandbox.Sandbox) credential.Secret) func(*scene) error {
	return func(s *scene) error { s.run.Input = token(s.box); return nil }
}

// all combines steps.
func all(steps ...func(*scene) error) func(*scene) error {
	return func(s *scene) error {
		for _, step := range steps {
			if err := step(s); err != nil {
				return err
			}
		}
		return nil
	}
}

// registryFault makes one kind of call to the registry or Docker Hub misbehave.
func registryFault(kind string, f sandbox.Fault) func(*scene) error {
	return func(s *scene) error {
		f := f
		f.Struck = s.reach
		if kind == "exchange" || kind == "repositories" {
			s.box.Hub.Fault(kind, f)
		} else {
			s.box.HubRegistry.Fault(kind, f)
		}
		return nil
	}
}

func awsFault(operation string, f sandboxaws.Fault) func(*scene) error {
	return func(s *scene) error {
		f := f
		f.Struck = s.reach
		s.box.SecretsManager.Fault(operation, f)
		return nil
	}
}

func (s *scene) reach() { s.once.Do(func() { close(s.reached) }) }

// signalled sends a signal when the flow reaches a fault.
func signalled(sig syscall.Signal) func(*scene) error {
	return func(s *scene) error { s.run.Signal, s.run.When = sig, s.reached; return nil }
}

// typed types answers at a terminal.
func typed(answers func(*scene) []exposure.Answer) func(*scene) error {
	return func(s *scene) error { s.run.Terminal = answers(s); return nil }
}

// argument puts a secret into the arguments, where people put it.
func argument(format string) func(*scene) error {
	return func(s *scene) error {
		s.run.Args = append(s.run.Args, fmt.Sprintf(format, s.box.PushToken.Reveal()))
		return nil
	}
}

// configured puts a secret into purser.yaml, where it does not belong.
func configured(before, after string) func(*scene) error {
	return func(s *scene) error {
		text := strings.ReplaceAll(configuration, before, fmt.Sprintf(after, s.box.PushToken.Reveal()))
		return s.file(config.FileName, text, false)
	}
}

// dockerLogin leaves a login like docker login, in the file or with a helper.
func dockerLogin(token func(*sandbox.Sandbox) credential.Secret, helper string) func(*scene) error {
	return func(s *scene) error {
		if helper == "" {
			auth := base64.StdEncoding.EncodeToString([]byte("mockserver:" + token(s.box).Reveal()))
			return s.file(".docker/config.json", `{"auths":{"https://index.docker.io/v1/":{"auth":"`+auth+`"}}}`, false)
		}
		answer := fmt.Sprintf(helper, token(s.box).Reveal())
		return errors.Join(
			s.file(".docker/config.json", `{"credsStore":"fake"}`, false), s.file("answer", answer, false),
			s.file("docker-credential-fake", "#!/bin/sh\ncat >/dev/null\ncat "+filepath.Join(s.run.Dir, "answer")+"\n"+helperEnd(answer), true),
		)
	}
}

// helperEnd makes a helper fail unless its answer is JSON.
func helperEnd(answer string) string {
	if strings.HasPrefix(answer, "{") {
		return ""
	}
	return "exit 1\n"
}

// redirected redirects to a host outside the registry.
var redirected = sandbox.Fault{Status: http.StatusTemporaryRedirect, Header: http.Header{"Location": {"https://elsewhere.example/v2/"}}}
