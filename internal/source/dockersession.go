package source

import (
	"context"
	"path/filepath"

	"purser/internal/credential"
)

// DockerSession finds the session that docker's browser login has left: it can manage
// the account's tokens, for as long as it lives. It is never stored.
type DockerSession struct {
	Dir      string
	Registry credential.Host
	Key      string // under which docker keeps it
}

// Find looks in docker's credential store. Where there is none, the fault's reason is
// NoToken.
func (d DockerSession) Find(ctx context.Context) (bearer credential.Secret, where string, err error) {
	config := DockerConfig{Dir: d.Dir, Registry: d.Registry}
	path := filepath.Join(d.Dir, "config.json")
	file, err := config.load(path)
	if err != nil {
		return credential.Secret{}, "", err
	}
	login, where, err := config.lookUp(ctx, file, path, d.Key)
	if err != nil {
		return credential.Secret{}, "", err
	}
	if login.Token.IsZero() {
		return credential.Secret{}, "", &credential.Fault{Reason: credential.NoToken, Registry: d.Registry, What: "docker has no session of " + d.Registry.Vendor(), Why: "docker login with a browser leaves one"}
	}
	return login.Token, where, nil
}
