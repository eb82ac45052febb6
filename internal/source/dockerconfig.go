package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/docker/cli/cli/config/configfile"
	"github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"

	"purser/internal/boundedfile"
	"purser/internal/credential"
)

// DockerConfig finds the login that docker's clients use for a registry: from
// the helper that the configuration names for it (credHelpers), from the one
// for everything (credsStore), or written in the file itself (auths), in that
// order, as docker does.
type DockerConfig struct {
	Dir      string // the directory of config.json
	Registry credential.Host
}

const (
	configLimit = 4 << 20  // far above any real docker configuration
	helperLimit = 64 << 10 // and any answer of a credential helper
	// helperTimeout leaves time for a keychain to ask for its own password.
	helperTimeout        = 2 * time.Minute
	helperVersionTimeout = 5 * time.Second
)

// Find looks the registry up under each of its names. Nothing there is a fault
// with the reason NoToken.
func (d DockerConfig) Find(ctx context.Context) (Found, error) {
	path := filepath.Join(d.Dir, "config.json")
	file, err := d.load(path)
	if err != nil {
		return Found{}, err
	}
	for _, key := range d.Registry.DockerKeys() {
		login, where, err := d.lookUp(ctx, file, path, key)
		if err != nil {
			return Found{}, err
		}
		if !login.Token.IsZero() {
			f, err := found(d.Registry, login.Username, []byte(login.Token.Reveal()), where)
			f.BesideSession = err == nil && d.besideSession(ctx, file, path)
			return f, err
		}
	}
	return Found{}, &credential.Fault{
		Reason: credential.NoToken, Registry: d.Registry,
		What: "docker has no login for " + string(d.Registry), Why: "looked in " + path + " and the credential helpers that it names",
	}
}

func (d DockerConfig) load(path string) (*configfile.ConfigFile, error) {
	raw, err := boundedfile.Read(path, configLimit)
	if errors.Is(err, fs.ErrNotExist) {
		return configfile.New(path), nil
	}
	if err != nil {
		return nil, &credential.Fault{Reason: credential.NoToken, What: "read docker's config", Why: err.Error(), Err: err}
	}
	return parseDockerConfig(path, raw)
}

// parseDockerConfig reads config.json. The parser's own error is dropped: it
// may quote the file, and the file may hold passwords.
func parseDockerConfig(path string, raw []byte) (*configfile.ConfigFile, error) {
	file := configfile.New(path)
	if err := file.LoadFromReader(bytes.NewReader(raw)); err != nil {
		return nil, &credential.Fault{
			Reason: credential.NoToken, What: "docker's config " + path + " cannot be read",
			Why: "it is not valid JSON in docker's form, or one of its auths is not base64 of USER:PASSWORD",
		}
	}
	return file, nil
}

// lookUp finds the entry under one key. An empty login means nothing is there.
func (d DockerConfig) lookUp(ctx context.Context, file *configfile.ConfigFile, path, key string) (credential.Login, string, error) {
	if name := file.CredentialHelpers[key]; name != "" {
		return d.askHelper(ctx, name, key)
	}
	if file.CredentialsStore != "" {
		login, where, err := d.askHelper(ctx, file.CredentialsStore, key)
		if err != nil || !login.Token.IsZero() {
			return login, where, err
		}
	}
	entry, ok := file.AuthConfigs[key]
	if !ok {
		return credential.Login{}, "", nil
	}
	where := "docker's config " + path
	if entry.IdentityToken != "" {
		return credential.Login{Username: "<token>", Token: credential.NewSecret(entry.IdentityToken)}, where, nil
	}
	return loginOf(entry.Username, entry.Password, where)
}

// loginOf is a login of docker's. Its user name is shown to people: one with a token in it
// is refused.
func loginOf(username, password, where string) (credential.Login, string, error) {
	if credential.HoldsToken(username) {
		return credential.Login{}, "", &credential.Fault{
			Reason: credential.BadToken, What: "the login in " + where + " cannot be used", Why: "there is a token in its user name; sign in again with docker login",
		}
	}
	return credential.Login{Username: username, Token: credential.NewSecret(password)}, where, nil
}

var helperForm = credential.NewPattern(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// isHelperName reports whether a text may follow docker-credential- : a file name, no
// path, and no token.
func isHelperName(text string) bool {
	return helperForm.MatchString(text) && !credential.HoldsToken(text)
}

func (d DockerConfig) askHelper(ctx context.Context, name, key string) (credential.Login, string, error) {
	if !isHelperName(name) {
		return credential.Login{}, "", &credential.Fault{Reason: credential.NoToken, What: "docker's config names a credential helper that cannot be a program"}
	}
	program := "docker-credential-" + name
	path, err := exec.LookPath(program)
	if err != nil {
		return credential.Login{}, "", helperFault(d.Registry, program, "it is named in docker's config and is not on the PATH")
	}
	run := ctx
	ctx, stop := context.WithTimeout(ctx, helperTimeout)
	defer stop()
	got, err := client.Get(func(args ...string) client.Program {
		return &helperRun{cmd: exec.CommandContext(ctx, path, args...)} //nolint:gosec // the name is checked above
	}, key)
	switch {
	case run.Err() != nil:
		return credential.Login{}, "", credential.Stopped(run, "asking the credential helper "+program)
	case ctx.Err() != nil:
		return credential.Login{}, "", helperFault(d.Registry, program, "it did not answer in time")
	case err == nil && got.Secret == "" || credentials.IsErrCredentialsNotFound(err):
		return credential.Login{}, "", nil
	case err != nil:
		// The helper's output is not quoted: a broken one could print the secret.
		return credential.Login{}, "", helperFault(d.Registry, program, "it ended with an error or did not speak docker's protocol")
	}
	return loginOf(got.Username, got.Secret, "the credential helper "+program)
}

func helperFault(host credential.Host, program, why string) *credential.Fault {
	return &credential.Fault{
		Reason: credential.NoToken, Registry: host, Why: why,
		What: "the credential helper " + program + " gave nothing",
	}
}

// helperRun runs a helper as docker does: the request goes to its standard
// input, so that nothing is in a process list, and its standard error is
// dropped, since what a broken helper says there may be the secret.
type helperRun struct{ cmd *exec.Cmd }

// Output runs the helper and returns the beginning of what it printed.
func (r *helperRun) Output() ([]byte, error) {
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	raw, readErr := io.ReadAll(io.LimitReader(out, helperLimit))
	_, _ = io.Copy(io.Discard, io.LimitReader(out, configLimit))
	_ = out.Close()
	return raw, errors.Join(r.cmd.Wait(), readErr)
}

// Input gives the helper its request.
func (r *helperRun) Input(in io.Reader) { r.cmd.Stdin = in }
