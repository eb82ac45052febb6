package source

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/docker/cli/cli/config/configfile"

	"purser/internal/credential"
)

// DockerSession finds the session that docker's browser login has left: it can manage
// the account's tokens, for as long as it lives. It is never stored.
type DockerSession struct {
	Dir      string
	Registry credential.Host
}

// Find looks in docker's credential store. Where there is none, the fault's reason is
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
		return credential.Secret{}, "", &credential.Fault{Reason: credential.NoToken, Registry: d.Registry, What: "docker has no session of " + d.Registry.Vendor(), Why: "docker login with a browser leaves one"}
	}
	return login.Token, where, nil
}

// besideSession reports whether docker's browser login has left its session here. What it
// cannot look up counts as none.
func (d DockerConfig) besideSession(ctx context.Context, file *configfile.ConfigFile, path string) bool {
	return slices.ContainsFunc(d.Registry.SessionKeys(), func(key string) bool {
		login, _, err := d.lookUp(ctx, file, path, key)
		return err == nil && !login.Token.IsZero()
	})
}
