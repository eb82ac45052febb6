package github

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"purser/internal/credential"
	"purser/internal/registry"
)

func api(path string) *url.URL { return &url.URL{Scheme: "https", Host: "api.github.com", Path: path} }

// works is GET /user, which every token may ask for; an App's installation token gets 403 there, and only
// a dead one 401. See https://docs.github.com/en/rest/users/users.
func works(ctx context.Context, c *registry.Client, token credential.Secret) (bool, error) {
	a, err := c.Do(ctx, http.MethodGet, api("/user"), "", registry.Bearer(token))
	switch {
	case err != nil:
		return false, err
	case a.Status == http.StatusUnauthorized:
		return false, nil
	case a.OK(), a.Status == http.StatusForbidden && a.Header.Get("X-RateLimit-Remaining") != "0":
		return true, nil
	case a.Status == http.StatusForbidden, a.Status == http.StatusTooManyRequests:
		return false, c.RateLimited(a, nil)
	}
	return false, registry.Unexpected(a, nil)
}

// end is POST /credentials/revoke, which takes no sign-in: who holds a token may end it. It takes up to
// 1000, and mails their owners. See https://docs.github.com/en/rest/credentials/revoke.
func end(ctx context.Context, c *registry.Client, tokens []credential.Secret) error {
	const most = 1000
	for len(tokens) > 0 {
		var body struct {
			Credentials []string `json:"credentials"`
		}
		n := min(most, len(tokens))
		for _, t := range tokens[:n] {
			body.Credentials = append(body.Credentials, t.Reveal())
		}
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		a, err := c.Do(ctx, http.MethodPost, api("/credentials/revoke"), string(text), nil)
		if err != nil {
			return err
		}
		a.Secret = tokens[:n]
		switch {
		case a.Status == http.StatusTooManyRequests:
			return c.RateLimited(a, nil)
		case !a.OK():
			return registry.Unexpected(a, nil)
		}
		tokens = tokens[n:]
	}
	return nil
}
