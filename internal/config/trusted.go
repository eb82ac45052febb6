package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"purser/internal/credential"
)

// SystemPath is the configuration of a build agent. Where it exists, the
// environment only chooses among its credentials.
const SystemPath = "/etc/purser/purser.yaml"

// DefaultHelperTimeout is how long the credential helper may take.
const DefaultHelperTimeout = 2 * time.Second

// Trusted reads the configuration of programs that run beside code that nobody
// reviewed, such as a pull request's: never one from the working directory, never
// one that others may write. It is the file at system, else the one that
// PURSER_CONFIG names, else a single credential that PURSER_SECRET_ID and
// PURSER_REGISTRY describe.
//
// Where the file at system exists, a variable that points past it is an error: a
// script could name another registry for a secret, and be handed its token. The
// errors are *credential.Fault or *Error.
func Trusted(env Environment, system string) (*File, error) {
	if err := env.CheckTokens(); err != nil {
		return nil, err
	}
	_, err := os.Lstat(system)
	switch {
	case err == nil:
		return trustedSystem(env, system)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, unreadable(system, err)
	case env.Config != "":
		return trustedFile(env.Config, env)
	case env.SecretID != "":
		return describedByEnvironment(env)
	}
	return nil, &credential.Fault{
		Reason: credential.NoConfiguration, What: "there is no trusted configuration",
		Why: "in CI, and for docker's clients, purser takes " + system + ", the file that PURSER_CONFIG names, or PURSER_SECRET_ID; never one from the working directory",
	}
}

func trustedSystem(env Environment, system string) (*File, error) {
	if env.Config != "" && filepath.Clean(env.Config) != filepath.Clean(system) {
		return nil, &credential.Fault{
			Reason: credential.Usage, What: "PURSER_CONFIG is not followed",
			Why: system + " exists and decides which registry a secret is for; choose one of its credentials with PURSER_CREDENTIAL",
		}
	}
	file, err := trustedFile(system, env)
	if err != nil || env.SecretID == "" {
		return file, err
	}
	hosts, err := environmentRegistries(env)
	if err != nil {
		return nil, err
	}
	var all []credential.Credential
	for _, host := range hosts {
		i := slices.IndexFunc(file.Credentials, func(c credential.Credential) bool {
			return c.Registry == host && slices.ContainsFunc(c.Targets, func(t credential.Target) bool { return t.Kind == SecretKind && t.Name == env.SecretID })
		})
		if i < 0 {
			return nil, &credential.Fault{
				Reason: credential.Usage, What: "PURSER_SECRET_ID is not followed",
				Why: "no credential of " + system + " keeps a token for " + string(host) + " in that secret",
			}
		}
		all = append(all, file.Credentials[i])
	}
	file.Credentials = all
	return file, nil
}

// Named reports whether PURSER_CREDENTIAL names a credential, or none at all.
func (e Environment) Named(name credential.Name) bool {
	return e.Credential == "" || slices.Contains(strings.Split(e.Credential, ","), string(name))
}

const (
	defaultHelperCache = time.Minute
	longestHelperCache = 5 * time.Minute
)

// HelperCacheLife is for how long the kernel keeps a login for the credential
// helper; 0 where nothing is to be kept.
func (e Environment) HelperCacheLife() time.Duration {
	if e.HelperCache == 0 {
		return defaultHelperCache
	}
	return min(max(e.HelperCache, 0), longestHelperCache)
}

// parseHelperCache takes what is no duration for off, which is less than nothing.
func parseHelperCache(text string) time.Duration {
	life, err := ParseDuration(text)
	if err != nil || life == 0 {
		return -1
	}
	return life
}

// The kinds of store that flags and variables name by themselves.
const (
	SecretKind = "secret" // PURSER_SECRET_ID, --secret-id
	FileKind   = "file"   // --file
)

func environmentRegistries(env Environment) ([]credential.Host, error) {
	var all []credential.Host
	for _, text := range strings.Split(firstOf(env.Registry, string(credential.Default())), ",") {
		host, err := credential.ParseHost(strings.TrimSpace(text))
		if err != nil {
			return nil, err
		}
		all = append(all, host)
	}
	return all, nil
}

func describedByEnvironment(env Environment) (*File, error) {
	hosts, err := environmentRegistries(env)
	if err != nil {
		return nil, err
	}
	t := credential.Target{Kind: SecretKind, Name: env.SecretID}
	if env.Shape != "" {
		if t.Shape, err = credential.ParseShape(env.Shape); err != nil {
			return nil, err
		}
	} else if strings.HasPrefix(env.SecretID, "ecr-pullthroughcache/") {
		t.Shape = credential.ShapeECRCache
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	file := &File{Trusted: true} // but for what the store itself says of the secret
	for i, host := range hosts {
		name := credential.Name("environment")
		if i > 0 {
			name += credential.Name("-" + strconv.Itoa(i+1))
		}
		file.Credentials = append(file.Credentials, credential.Credential{Name: name, Registry: host, Access: credential.Push, Targets: []credential.Target{t}})
	}
	return file, nil
}

func trustedFile(path string, env Environment) (*File, error) {
	if err := checkTrusted(path); err != nil {
		return nil, err
	}
	file, err := Load(path, env)
	if err == nil {
		file.Trusted = true
	}
	return file, err
}

// IsTrusted reports whether others cannot have written a file that was named, and it is
// not in the working directory.
func IsTrusted(path string) bool { return checkTrusted(path) == nil }

// checkTrusted refuses a file that somebody else could have written.
func checkTrusted(path string) error {
	bad := func(why string) error {
		return &credential.Fault{Reason: credential.Usage, What: "the configuration file " + display(path) + " is not trusted", Why: why}
	}
	if !filepath.IsAbs(path) {
		return bad("its path is relative, so that the working directory decides which file it is")
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return unreadable(path, err)
	}
	if cwd, err := os.Getwd(); err == nil {
		if cwd, err = filepath.EvalSymlinks(cwd); err == nil && cwd != string(filepath.Separator) {
			if rel, err := filepath.Rel(cwd, real); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
				return bad("it is in the working directory, which a checkout may be")
			}
		}
	}
	switch why, err := othersHand(path, false); {
	case err != nil:
		return unreadable(path, err)
	case why != "":
		return bad(why)
	}
	return nil
}
