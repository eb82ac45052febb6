package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"

	"purser/internal/buildinfo"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/wire"
)

// helper is what the program gets from outside.
type helper struct {
	env      config.Environment
	system   string // path of the system's configuration
	in       io.Reader
	out, err io.Writer
	now      func() time.Time
	aws      *wire.LocalAWS // a stand-in; nil: the real one
	// keyring keeps a login for the next call; nil: nothing is kept.
	keyring func() (cache, error)

	step string // what is being done, for the time budget
}

// inputLimit is far above any name that a client asks for, in bytes. What store
// is given is read and dropped.
const inputLimit = 1 << 20

// run answers one verb of docker's protocol and returns the exit code. Clients
// show standard output or standard error, some one and some the other, so that
// every failure is said on both.
func run(ctx context.Context, args []string, h *helper) (code int) {
	defer func() {
		if bug := recover(); bug != nil {
			code = h.fail(fmt.Errorf("a bug in purser (%T), please report it", bug)) // what it carried may be a secret
		}
	}()
	if len(args) != 1 {
		return h.fail(errors.New("it takes one verb: get, store, erase, list or version, as docker's clients give it"))
	}
	switch args[0] {
	case "get":
		if err := h.get(ctx); err != nil {
			return h.fail(err)
		}
	case "store":
		// docker login wants to change what purser alone changes.
		h.drain()
	case "erase":
		// A client erases what a registry refused: the next one is not to get it again.
		h.drain()
		h.forget()
	case "list":
		if err := h.list(); err != nil {
			return h.fail(err)
		}
	case "version":
		if _, err := fmt.Fprintf(h.out, "docker-credential-purser %s\n", buildinfo.This().Version); err != nil {
			return h.fail(err)
		}
	default:
		return h.fail(errors.New("there is no such verb; it knows get, store, erase, list and version"))
	}
	return 0
}

// drain reads what a client gives and drops it, so that the client's write does
// not fail.
func (h *helper) drain() { _, _ = io.Copy(io.Discard, io.LimitReader(h.in, inputLimit)) }

// fail says why, on both streams. The sentence for what is not there is docker's
// own, which clients compare letter for letter to go on without a login.
func (h *helper) fail(err error) int {
	text := "purser: " + reason(err)
	if credentials.IsErrCredentialsNotFound(err) {
		text = err.Error()
	}
	_, _ = fmt.Fprintln(h.out, text)
	_, _ = fmt.Fprintln(h.err, text)
	return 1
}

// reason is an error in one line.
func reason(err error) string {
	if _, ok := errors.AsType[*config.Error](err); ok {
		return "the configuration is not right: " + strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	if f, ok := errors.AsType[*credential.Fault](err); ok {
		return strings.ReplaceAll(f.Error(), "\n", " ")
	}
	return credential.Quote(err.Error())
}

// get gives the login for what is asked on standard input.
func (h *helper) get(ctx context.Context) error {
	limit := h.env.HelperTimeout
	if limit == 0 {
		limit = config.DefaultHelperTimeout
	}
	ctx, stop := context.WithTimeoutCause(ctx, limit, errBudget)
	defer stop()
	err := h.answer(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errBudget) {
		return fmt.Errorf("%s were not enough: time ran out while %s; PURSER_HELPER_TIMEOUT=10s allows more", limit, h.step)
	}
	return err
}

var errBudget = errors.New("the time is up")

func (h *helper) answer(ctx context.Context) error {
	h.step = "reading what the client asks for"
	asked, err := h.question(ctx)
	if err != nil {
		return fmt.Errorf("read what the client asks for: %w", err)
	}
	h.step = "reading the configuration"
	file, err := config.Trusted(h.env, h.system)
	if err != nil {
		return err
	}
	c, err := choose(file.Credentials, asked, h.env.Named)
	if err != nil {
		return err
	}
	login, err := h.read(ctx, c)
	if err != nil {
		return err
	}
	if vendor := credential.Misplaced(c.Registry, login.Token); vendor != "" {
		return &credential.Fault{
			Reason: credential.BelongsElsewhere, Registry: c.Registry, What: "the token was not given for " + string(c.Registry), Why: "it has the form of a token of " + vendor,
		}
	}
	h.step = "answering"
	return json.NewEncoder(h.out).Encode(map[string]string{
		"ServerURL": asked, "Username": login.Username, "Secret": login.Token.Reveal(),
	})
}

// question reads what a client asks for. A read cannot be stopped, so that one that
// takes too long is left behind, and ends with the process.
func (h *helper) question(ctx context.Context) (string, error) {
	type read struct {
		raw []byte
		err error
	}
	done := make(chan read, 1)
	go func() {
		raw, err := io.ReadAll(io.LimitReader(h.in, inputLimit))
		done <- read{raw, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case r := <-done:
		return strings.TrimSpace(string(r.raw)), r.err
	}
}

// read takes the login from the first of the credential's places: they hold the
// same, and the first is the one that the configuration puts first.
func (h *helper) read(ctx context.Context, c credential.Credential) (credential.Login, error) {
	w := &wire.Wire{Env: h.env, Now: h.now, AWS: h.aws}
	t := w.Target(c, c.Targets[0])
	fetch := func() (credential.Login, error) {
		h.step = "finding AWS credentials and reading " + t.String()
		// The mark in the store costs a call and a right that agents need not have: the
		// configuration, which is trusted, says to whom the token belongs.
		s, err := w.Bare(ctx, c, c.Targets[0])
		if err != nil {
			return credential.Login{}, err
		}
		_, value, err := s.Read(ctx, credential.Current)
		if err != nil {
			return credential.Login{}, err
		}
		return t.Shape.Decode(value, c.Registry)
	}
	if t.Traits().Local {
		return fetch() // a file is as near as the keyring
	}
	return h.once(ctx, h.entry(c, t), fetch)
}

// list names the registries that it has a login for, without asking for one.
func (h *helper) list() error {
	file, err := config.Trusted(h.env, h.system)
	if err != nil {
		return err
	}
	all := map[string]string{}
	for _, c := range file.Credentials {
		all[c.Registry.DockerKeys()[0]] = c.Username
	}
	return json.NewEncoder(h.out).Encode(all)
}
