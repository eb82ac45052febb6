package source

import (
	"context"
	"path/filepath"

	"purser/internal/credential"
)

// sessionKey is under which docker login keeps the bearer of a browser's sign-in
// (docker/cli, internal/oauth/manager).
const sessionKey = "https://index.docker.io/v1/access-token"

// DockerSession finds the session that docker's browser login has left: it can manage
// the account's tokens, for as long as it lives. It is never stored.
type DockerSession struct{ Dir string }

// Find looks in docker's credential store. Where there is none, the fault's reason is
// NoToken.
func (d DockerSession) Find(ctx context.Context) (bearer credential.Secret, where string, err error) {
	config := DockerConfig{Dir: d.Dir, Registry: credential.DockerHub}
	path := filepath.Join(d.Dir, "config.json")
	file, err := config.load(path)
	if err != nil {
		return credential.Secret{}, "", err
	}
	login, where, err := config.lookUp(ctx, file, path, sessionKey)
	if err != nil {
		return credential.Secret{}, "", err
	}
	if login.Token.IsZero() {
		return credential.Secret{}, "", &credential.Fault{Reason: credential.NoToken, Registry: credential.DockerHub, What: "docker has no session of Docker Hub", Why: "docker login with a browser leaves one"}
	}
	return login.Token, where, nil
}
