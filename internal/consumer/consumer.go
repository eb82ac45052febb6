// Package consumer prepares what a command that pushes gets: a private folder in which
// docker's clients find purser's helper and no login.
package consumer

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/source"
	"purser/internal/wire"
)

// Machine describes where a command is to run.
type Machine struct {
	Env     config.Environment
	System  string // the path of a build agent's configuration
	Config  string // --config; "": not given
	Dir     string // the working directory; "": the process's
	Project func(needed bool) (*config.File, error)
	Wire    func() *wire.Wire
	Self    func() (path string, err error) // purser itself
}

// Consumer is what a command run with credentials gets: a private folder, and the variables
// that point to it.
type Consumer struct {
	Credentials []credential.Credential
	Trusted     bool // others cannot write their configuration
	Vars        map[string]string
	private     []byte // a configuration for the helper; nil: it finds one by itself
}

// Consumer chooses credentials for a command. In CI, and where the machine has a
// configuration, they come from the helper's own configuration, never from the working
// directory: a pull request could name another registry there.
func (m *Machine) Consumer(names []string, ci bool) (*Consumer, error) {
	_, err := os.Lstat(m.System)
	own := errors.Is(err, fs.ErrNotExist) // the machine has no configuration of its own
	if !ci && own {
		return m.laptop(names)
	}
	env := m.Env
	if m.Config != "" {
		env.Config = m.Config
	}
	file, err := config.Trusted(env, m.System)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 && env.Credential != "" {
		names = strings.Split(env.Credential, ",")
	}
	c := &Consumer{Trusted: true, Vars: map[string]string{}}
	if c.Credentials, err = file.Chosen(names); err != nil {
		return nil, err
	}
	if m.Config != "" && own {
		c.Vars["PURSER_CONFIG"] = m.Config
	}
	if len(names) > 0 {
		c.Vars["PURSER_CREDENTIAL"] = strings.Join(names, ",")
	}
	return c, nil
}

func (m *Machine) laptop(names []string) (*Consumer, error) {
	file, err := m.Project(true)
	if err != nil {
		return nil, err
	}
	c := &Consumer{Trusted: file.Trusted}
	if c.Credentials, err = file.Chosen(names); err != nil {
		return nil, err
	}
	w := m.Wire()
	located := make([]credential.Credential, 0, len(c.Credentials))
	for _, one := range c.Credentials {
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
	c.Vars = map[string]string{"PURSER_CREDENTIAL": "", "PURSER_SECRET_ID": "", "PURSER_REGISTRY": ""}
	return c, nil
}

// Fill fills the private folder.
func (c *Consumer) Fill(m *Machine, dir string) error {
	var hosts []credential.Host
	for _, one := range c.Credentials {
		hosts = append(hosts, one.Registry)
	}
	real := m.Env.DockerConfigDir()
	vars, err := source.PrivateClients(dir, real, source.Helper, hosts)
	if err != nil {
		return err
	}
	for name, value := range vars {
		c.Vars[name] = value
	}
	// docker prefers a login in this variable to a helper.
	c.Vars["DOCKER_AUTH_CONFIG"] = ""
	if real != "" && m.Env.BuildxConfig == "" {
		c.Vars["BUILDX_CONFIG"] = filepath.Join(real, "buildx") // builders made here remain
	}
	if c.private != nil {
		c.Vars["PURSER_CONFIG"] = filepath.Join(dir, config.FileName)
		if err := os.WriteFile(c.Vars["PURSER_CONFIG"], c.private, 0o600); err != nil {
			return err
		}
	}
	return c.putHelper(m, dir)
}

// putHelper makes clients find the helper beside this purser, else the one on the PATH.
func (c *Consumer) putHelper(m *Machine, dir string) error {
	program := "docker-credential-" + source.Helper
	path := ""
	if own, err := m.Self(); err == nil {
		if path, err = exec.LookPath(filepath.Join(filepath.Dir(own), program)); err != nil {
			path = ""
		}
	}
	if path == "" {
		found, err := exec.LookPath(program)
		if err != nil {
			return &credential.Fault{
				Reason: credential.HelperMissing, What: program + " is not on the PATH", Why: "docker's clients ask it for the token when they push",
			}
		}
		path = found
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	bin := filepath.Join(dir, "bin")
	c.Vars["PATH"] = strings.TrimSuffix(bin+string(filepath.ListSeparator)+m.Env.Path, string(filepath.ListSeparator))
	return errors.Join(os.Mkdir(bin, 0o700), os.Symlink(path, filepath.Join(bin, filepath.Base(path))))
}

// Parent returns where a private folder can be: neither in nor above the working directory,
// from where the helper takes no configuration.
func (m *Machine) Parent() (string, error) {
	here := m.Dir
	if here == "" {
		here, _ = os.Getwd() // without one, no folder is inside it
	}
	for _, dir := range []string{m.Env.XDGRuntimeDir, m.Env.TempDir, os.TempDir(), filepath.Join(m.Env.Home, ".cache")} {
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
		Reason: credential.Usage, What: "purser found no place for a private folder",
		Why: "it cannot be in the working directory; set TMPDIR to a folder elsewhere",
	}
}

func inside(outer, dir string) bool {
	rel, err := filepath.Rel(outer, dir)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
