package source

import (
	"context"
	"errors"
	"io"

	"purser/internal/credential"
)

// Found is a login and its place.
type Found struct {
	credential.Login
	Kind  credential.Kind
	Where string // for people: "docker's config /home/me/.docker/config.json"
	// BesideSession: docker has a browser login's session beside the token, and so may have
	// made the token for itself.
	BesideSession bool
}

// Stdin reads a token from a pipe. It repeats none of it, not even in errors.
type Stdin struct {
	Reader   io.Reader
	Registry credential.Host
	Username string
}

// Find reads the whole input, up to one byte more than a token's limit.
func (s Stdin) Find(context.Context) (Found, error) {
	raw, err := io.ReadAll(io.LimitReader(s.Reader, readLimit))
	if ended, ok := errors.AsType[*credential.Fault](err); ok {
		return Found{}, ended
	}
	if err != nil {
		return Found{}, &credential.Fault{Reason: credential.NoToken, What: "read the token from standard input", Why: err.Error(), Err: err}
	}
	return found(s.Registry, s.Username, raw, "standard input")
}

// readLimit is one more than ParseToken's limit, so that ParseToken notices longer input.
const readLimit = 16<<10 + 3

func found(host credential.Host, username string, raw []byte, where string) (Found, error) {
	token, err := credential.ParseToken(raw)
	if err != nil {
		return Found{}, err
	}
	login := credential.Login{Username: username, Token: token}
	return Found{Login: login, Kind: credential.Classify(host, login), Where: where}, nil
}
