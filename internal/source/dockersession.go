package source

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/docker/cli/cli/config/configfile"

	"purser/internal/credential"
)

// DockerSession finds the session of docker's browser login, which can manage the account's
// tokens until it expires. purser never stores it.
type DockerSession struct {
	Dir      string
	Registry credential.Host
}

// Find looks in docker's credential store. If there is no session, the fault's reason is
// NoToken.
func (d DockerSession) Find(ctx context.Context) (bearer credential.Secret, where string, err error) {
	config := DockerConfig(d)
	path := filepath.Join(d.Dir, "config.json")
	file, err := config.load(path)
	if err != nil {
		return credential.Secret{}, "", err
	}
	var login credential.Login
	if keys := d.Registry.SessionKeys(); len(keys) > 0 {
		if login, where, err = config.lookUp(ctx, file, path, keys[0]); err != nil {
			return credential.Secret{}, "", err
		}
	}
	if login.Token.IsZero() {
		return credential.Secret{}, "", &credential.Fault{Reason: credential.NoToken, Registry: d.Registry, What: "docker has no session at " + d.Registry.Vendor(), Why: "only docker login with a browser creates one"}
	}
	return login.Token, where, nil
}

// besideSession reports whether docker's browser login has a session here. It counts errors as
// none.
func (d DockerConfig) besideSession(ctx context.Context, file *configfile.ConfigFile, path string) bool {
	return slices.ContainsFunc(d.Registry.SessionKeys(), func(key string) bool {
		login, _, err := d.lookUp(ctx, file, path, key)
		return err == nil && !login.Token.IsZero()
	})
}
