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

// DockerConfig finds docker's login for a registry as docker does: from the registry's helper
// (credHelpers), else the general one (credsStore), else the file itself (auths).
type DockerConfig struct {
	Dir      string // the directory of config.json
	Registry credential.Host
}

const (
	configLimit = 4 << 20  // far above any real configuration
	helperLimit = 64 << 10 // far above any helper's answer
	// helperTimeout leaves a person time to unlock a keychain.
	helperTimeout        = 2 * time.Minute
	helperVersionTimeout = 5 * time.Second
)

// Find looks the registry up under each of its names. If there is no login, the fault's reason
// is NoToken.
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
		What: "docker has no login for " + string(d.Registry), Why: "purser looked in " + path + " and in the credential helpers that it names",
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

// parseDockerConfig reads config.json. It drops the parser's error, which may quote a password
// from the file.
func parseDockerConfig(path string, raw []byte) (*configfile.ConfigFile, error) {
	file := configfile.New(path)
	if err := file.LoadFromReader(bytes.NewReader(raw)); err != nil {
		return nil, &credential.Fault{
			Reason: credential.NoToken, What: "purser cannot read docker's config " + path,
			Why: "it is not a valid docker configuration, or an entry of auths is not USER:PASSWORD in base64",
		}
	}
	return file, nil
}

// lookUp finds the entry under a key; an empty login if there is none.
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

// loginOf makes a login. It refuses a user name that contains a token, because purser shows
// user names.
func loginOf(username, password, where string) (credential.Login, string, error) {
	if credential.HoldsToken(username) {
		return credential.Login{}, "", &credential.Fault{
			Reason: credential.BadToken, What: "purser cannot use the login in " + where, Why: "its user name contains a token; sign in again with docker login",
		}
	}
	return credential.Login{Username: username, Token: credential.NewSecret(password)}, where, nil
}

var helperForm = credential.NewPattern(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// isHelperName reports whether a text may follow docker-credential-: a file name, neither a
// path nor a token.
func isHelperName(text string) bool {
	return helperForm.MatchString(text) && !credential.HoldsToken(text)
}

func (d DockerConfig) askHelper(ctx context.Context, name, key string) (credential.Login, string, error) {
	if !isHelperName(name) {
		return credential.Login{}, "", &credential.Fault{Reason: credential.NoToken, What: "docker's config names an invalid credential helper", Why: "a helper's name has only letters, digits, '.', '_' and '-'; correct credsStore or credHelpers"}
	}
	program := "docker-credential-" + name
	path, err := exec.LookPath(program)
	if err != nil {
		return credential.Login{}, "", helperFault(d.Registry, program, "docker's config names it, but it is not on the PATH")
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
		// A broken helper could print the secret, so purser does not quote its output.
		return credential.Login{}, "", helperFault(d.Registry, program, "it failed, or its answer does not follow docker's protocol")
	}
	return loginOf(got.Username, got.Secret, "the credential helper "+program)
}

func helperFault(host credential.Host, program, why string) *credential.Fault {
	return &credential.Fault{
		Reason: credential.NoToken, Registry: host, Why: why,
		What: "the credential helper " + program + " gave no login",
	}
}

// helperRun runs a helper as docker does, with the request on standard input, away from the
// process list. It drops standard error, where a broken helper may print the secret.
type helperRun struct{ cmd *exec.Cmd }

// Output runs the helper and returns the start of its output.
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

// Input sets the helper's request.
func (r *helperRun) Input(in io.Reader) { r.cmd.Stdin = in }
