package main

import (
	"cmp"
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

// helper has the program's inputs and outputs.
type helper struct {
	env      config.Environment
	system   string // path of the system's configuration
	in       io.Reader
	out, err io.Writer
	now      func() time.Time
	aws      *wire.LocalAWS // a stand-in; may be nil
	// keyring caches a login for the next call; nil: no cache.
	keyring func() (cache, error)
	// keychain has the age identity of encrypted files if no file does; nil: none has it.
	keychain wire.Keychain

	step string // current step, for the timeout message
}

// inputLimit is far above any name that a client sends, in bytes. The input of store is discarded.
const inputLimit = 1 << 20

// run handles a verb of docker's protocol and returns the exit code. Some clients show standard output and
// some standard error, so every failure goes to both.
func run(ctx context.Context, args []string, h *helper) (code int) {
	defer func() {
		if bug := recover(); bug != nil {
			code = h.fail(fmt.Errorf("a bug in purser (%T), please report it", bug)) // the panic's value may be a secret
		}
	}()
	if len(args) != 1 {
		return h.fail(errors.New("give one verb, like docker's clients do: get, store, erase, list or version"))
	}
	switch args[0] {
	case "get":
		if err := h.get(ctx); err != nil {
			return h.fail(err)
		}
	case "store":
		// docker login wants to store a token, which only purser may do.
		h.drain()
	case "erase":
		// A client erases a login that a registry refused, so drop the cache.
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
		return h.fail(errors.New("unknown verb; use get, store, erase, list or version"))
	}
	return 0
}

// drain discards the client's input, so that the client's write does not fail.
func (h *helper) drain() { _, _ = io.Copy(io.Discard, io.LimitReader(h.in, inputLimit)) }

// fail reports an error on both streams. The text for "not found" is docker's: clients compare it exactly,
// and then continue without a login.
func (h *helper) fail(err error) int {
	text := "purser: " + reason(err)
	if credentials.IsErrCredentialsNotFound(err) {
		text = err.Error()
	}
	_, _ = fmt.Fprintln(h.out, text)
	_, _ = fmt.Fprintln(h.err, text)
	return 1
}

// reason returns an error as one line.
func reason(err error) string {
	if _, ok := errors.AsType[*config.Error](err); ok {
		return "the configuration is invalid: " + strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	if f, ok := errors.AsType[*credential.Fault](err); ok {
		return strings.ReplaceAll(f.Error(), "\n", " ")
	}
	return credential.Quote(err.Error())
}

// get returns the login for the name on standard input.
func (h *helper) get(ctx context.Context) error {
	limit := cmp.Or(h.env.HelperTimeout, config.DefaultHelperTimeout)
	ctx, stop := context.WithTimeoutCause(ctx, limit, errBudget)
	defer stop()
	err := h.answer(ctx)
	if err != nil && errors.Is(context.Cause(ctx), errBudget) {
		return fmt.Errorf("timed out after %s while %s; set PURSER_HELPER_TIMEOUT=10s to allow more", limit, h.step)
	}
	return err
}

var errBudget = errors.New("the time limit was reached")

func (h *helper) answer(ctx context.Context) error {
	h.step = "reading the client's request"
	asked, err := h.question(ctx)
	if err != nil {
		return fmt.Errorf("read the client's request: %w", err)
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
			Reason: credential.BelongsElsewhere, Registry: c.Registry, What: "purser did not return the token for " + string(c.Registry), Why: "it looks like a token of " + vendor,
		}
	}
	h.step = "answering"
	return json.NewEncoder(h.out).Encode(map[string]string{
		"ServerURL": asked, "Username": login.Username, "Secret": login.Token.Reveal(),
	})
}

// question reads the client's request. A read cannot be cancelled, so a slow one is abandoned and ends with
// the process.
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

// read gets the login from the credential's first place. All places hold the same token.
func (h *helper) read(ctx context.Context, c credential.Credential) (credential.Login, error) {
	w := &wire.Wire{Env: h.env, Now: h.now, AWS: h.aws, Keychain: h.keychain}
	t := w.Target(c, c.Targets[0])
	fetch := func() (credential.Login, error) {
		h.step = "finding AWS credentials and reading " + t.String()
		// Reading the mark in the store would need another call and right. The trusted configuration says whose
		// the token is.
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
		return fetch() // a file is as fast as the keyring
	}
	return h.once(ctx, h.entry(c, t), fetch)
}

// list names the registries without reading a login.
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
