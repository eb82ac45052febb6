package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/redact"
	"purser/internal/source"
	"purser/internal/wire"
)

// consumer is what a command run with credentials is given: a private folder in
// which docker's clients find purser's helper and no login, and the variables that
// lead there.
type consumer struct {
	credentials []credential.Credential
	trusted     bool // they are from a configuration that others cannot write
	vars        map[string]string
	private     []byte // a configuration for the helper; nil where it finds one by itself
}

// consumer chooses credentials for a command. In CI, and where the machine has a
// configuration of its own, they come from where the helper takes its own, never
// from the working directory: a pull request could name another registry there.
func (a *app) consumer(names []string, ci bool) (*consumer, error) {
	_, err := os.Lstat(a.system)
	own := errors.Is(err, fs.ErrNotExist) // the machine has no configuration of its own
	if !ci && own {
		return a.laptopConsumer(names)
	}
	env := a.env
	if a.config != "" {
		env.Config = a.config
	}
	file, err := config.Trusted(env, a.system)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 && env.Credential != "" {
		names = strings.Split(env.Credential, ",")
	}
	c := &consumer{trusted: true, vars: map[string]string{}}
	if c.credentials, err = file.Chosen(names); err != nil {
		return nil, err
	}
	if a.config != "" && own {
		c.vars["PURSER_CONFIG"] = a.config
	}
	if len(names) > 0 {
		c.vars["PURSER_CREDENTIAL"] = strings.Join(names, ",")
	}
	return c, nil
}

func (a *app) laptopConsumer(names []string) (*consumer, error) {
	file, err := a.project(true)
	if err != nil {
		return nil, err
	}
	c := &consumer{trusted: file.Trusted}
	if c.credentials, err = file.Chosen(names); err != nil {
		return nil, err
	}
	w := a.wire()
	located := make([]credential.Credential, 0, len(c.credentials))
	for _, one := range c.credentials {
		t := w.Target(one, one.Targets[0])
		if why := t.Asks(); why != "" {
			return nil, &credential.Fault{
				Reason: credential.Usage, Credential: one.Name, What: "docker's clients cannot use " + string(one.Name), Why: why,
			}
		}
		one.Targets = []credential.Target{t}
		located = append(located, one)
	}
	c.private = config.Private(located)
	c.vars = map[string]string{"PURSER_CREDENTIAL": "", "PURSER_SECRET_ID": "", "PURSER_REGISTRY": ""}
	return c, nil
}

// fill makes the private folder's contents.
func (c *consumer) fill(a *app, dir string) error {
	var hosts []credential.Host
	for _, one := range c.credentials {
		hosts = append(hosts, one.Registry)
	}
	real := a.env.DockerConfigDir()
	vars, err := source.PrivateClients(dir, real, source.Helper, hosts)
	if err != nil {
		return err
	}
	for name, value := range vars {
		c.vars[name] = value
	}
	// docker takes a login in this variable before it asks a helper.
	c.vars["DOCKER_AUTH_CONFIG"] = ""
	if real != "" && a.env.BuildxConfig == "" {
		c.vars["BUILDX_CONFIG"] = filepath.Join(real, "buildx") // a builder that is made is there afterwards
	}
	if c.private != nil {
		c.vars["PURSER_CONFIG"] = filepath.Join(dir, config.FileName)
		if err := os.WriteFile(c.vars["PURSER_CONFIG"], c.private, 0o600); err != nil {
			return err
		}
	}
	return c.putHelper(a, dir)
}

// putHelper has clients find the helper that belongs to this purser, else the one
// on the PATH.
func (c *consumer) putHelper(a *app, dir string) error {
	program := "docker-credential-" + source.Helper
	path := ""
	if own, err := a.self(); err == nil {
		if path, err = exec.LookPath(filepath.Join(filepath.Dir(own), program)); err != nil {
			path = ""
		}
	}
	if path == "" {
		found, err := exec.LookPath(program)
		if err != nil {
			return &credential.Fault{
				Reason: credential.HelperMissing, What: program + " is not on the PATH", Why: "docker's clients ask it for the token at the moment in which they push",
			}
		}
		path = found
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	bin := filepath.Join(dir, "bin")
	c.vars["PATH"] = strings.TrimSuffix(bin+string(filepath.ListSeparator)+a.env.Path, string(filepath.ListSeparator))
	return errors.Join(os.Mkdir(bin, 0o700), os.Symlink(path, filepath.Join(bin, filepath.Base(path))))
}

// self is the path of this program.
func (a *app) self() (string, error) {
	if a.program != "" {
		return a.program, nil
	}
	return os.Executable()
}

// logins reads what the credentials have in store, as a consumer does.
func (c *consumer) logins(ctx context.Context, a *app, w *wire.Wire) ([]credential.Login, error) {
	w.Trusted = c.trusted
	var all []credential.Login
	for _, one := range c.credentials {
		one.Targets, one.Via = one.Targets[:1], "" // purser itself sends it nowhere, and clients have certificates of their own
		places, err := a.places(ctx, w, one)
		if err != nil {
			return nil, err
		}
		_, value, err := places[0].Store.Read(ctx, credential.Current)
		if err != nil {
			return nil, err
		}
		login, err := places[0].Target.Shape.Decode(value, one.Registry)
		if err != nil {
			return nil, err
		}
		if login.Username == "" {
			login.Username = one.Username
		}
		all = append(all, login)
	}
	return all, nil
}

// tellAgent has a Buildkite agent take the tokens out of the job's log, before
// anything can print them. It replaces text literally, so that it is told the usual
// encodings as well.
func (a *app) tellAgent(ctx context.Context, logins []credential.Login) error {
	if !a.env.Buildkite {
		return nil
	}
	missing := func(why string) error {
		return &credential.Fault{Reason: credential.AgentRedactor, What: "the Buildkite agent's redactor was not told the token", Why: why + "; nothing was run"}
	}
	agent, err := exec.LookPath("buildkite-agent")
	if err != nil {
		return missing("buildkite-agent is not on the PATH")
	}
	for _, l := range logins {
		if err := redact.Tell(ctx, agent, l); err != nil {
			return missing(credential.Quote(err.Error(), l.Token))
		}
	}
	return nil
}

// privateParent is where a private folder can be: not in or above the working
// directory, where the helper takes no configuration from.
func (a *app) privateParent() (string, error) {
	here := a.dir
	if here == "" {
		here, _ = os.Getwd() // without one, nothing is in it
	}
	for _, dir := range []string{a.env.XDGRuntimeDir, a.env.TempDir, os.TempDir(), filepath.Join(a.env.Home, ".cache")} {
		if dir == "" || !filepath.IsAbs(dir) {
			continue
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		if here == "" || !inside(here, dir) {
			return dir, nil
		}
	}
	return "", &credential.Fault{
		Reason: credential.Usage, What: "there is no place for a private folder",
		Why: "it cannot be in the working directory; set TMPDIR to a folder elsewhere",
	}
}

// inside reports whether a folder is another, or in it.
func inside(outer, dir string) bool {
	rel, err := filepath.Rel(outer, dir)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
