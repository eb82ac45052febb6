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

// DefaultHelperTimeout limits the credential helper.
const DefaultHelperTimeout = 2 * time.Second

// Trusted reads the configuration for programs that run beside unreviewed code, such as a pull
// request's. It never reads a file in the working directory, or one that others may write. It
// reads the file at system, else the one that PURSER_CONFIG names, else a credential from
// PURSER_SECRET_ID and PURSER_REGISTRY.
//
// If the file at system exists, a variable that points elsewhere is an error: a script could
// name another registry for a secret and get its token. Errors are *credential.Fault or *Error.
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
		Reason: credential.NoConfiguration, What: "purser found no trusted configuration",
		Why: "in CI, and for docker's clients, purser reads " + system + ", the file that PURSER_CONFIG names, or PURSER_SECRET_ID; never a file in the working directory",
	}
}

func trustedSystem(env Environment, system string) (*File, error) {
	if env.Config != "" && filepath.Clean(env.Config) != filepath.Clean(system) {
		return nil, &credential.Fault{
			Reason: credential.Usage, What: "purser refuses PURSER_CONFIG on this machine",
			Why: system + " exists, and it decides which registry each secret is for; choose one of its credentials with PURSER_CREDENTIAL",
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
				Reason: credential.Usage, What: "purser refuses PURSER_SECRET_ID on this machine",
				Why: "no credential in " + system + " has a token for " + string(host) + " in that secret",
			}
		}
		all = append(all, file.Credentials[i])
	}
	file.Credentials = all
	return file, nil
}

// Named reports whether PURSER_CREDENTIAL names a credential or is empty.
func (e Environment) Named(name credential.Name) bool {
	return e.Credential == "" || slices.Contains(strings.Split(e.Credential, ","), string(name))
}

const (
	defaultHelperCache = time.Minute
	longestHelperCache = 5 * time.Minute
)

// HelperCacheLife returns how long the kernel keeps a login for the credential helper; 0 for
// not at all.
func (e Environment) HelperCacheLife() time.Duration {
	if e.HelperCache == 0 {
		return defaultHelperCache
	}
	return min(max(e.HelperCache, 0), longestHelperCache)
}

// parseHelperCache returns a negative duration for off and for invalid text.
func parseHelperCache(text string) time.Duration {
	life, err := ParseDuration(text)
	if err != nil || life == 0 {
		return -1
	}
	return life
}

// The kinds of store that have a flag or a variable.
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
	file := &File{Trusted: true} // the secret's own mark still decides
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

// IsTrusted reports whether nobody else can have written a named file, and it is outside the
// working directory.
func IsTrusted(path string) bool { return checkTrusted(path) == nil }

// checkTrusted says why a file is not trusted.
func checkTrusted(path string) error {
	bad := func(why string) error {
		return &credential.Fault{Reason: credential.Usage, What: "purser does not trust the configuration file " + display(path), Why: why}
	}
	if !filepath.IsAbs(path) {
		return bad("its path is relative, so it depends on the working directory; give the whole path")
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return unreadable(path, err)
	}
	if cwd, err := os.Getwd(); err == nil {
		if cwd, err = filepath.EvalSymlinks(cwd); err == nil && cwd != string(filepath.Separator) {
			if rel, err := filepath.Rel(cwd, real); err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
				return bad("it is in the working directory, which may be a checkout of unreviewed code")
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
