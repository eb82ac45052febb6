package registry

import (
	"context"
	"net/http"
	"net/url"

	"purser/internal/credential"
)

// Reach finds out whether a registry answers as one does, without sending a
// secret, and on Docker Hub whether its API answers as well. The text says how
// it lets people in. The error is a *credential.Fault.
func (c *Client) Reach(ctx context.Context, cred credential.Credential) (how string, err error) {
	p := &probe{client: c, cred: cred}
	if err := p.ping(ctx); err != nil {
		return "", p.fault(err)
	}
	how = map[string]string{"bearer": "its token service is " + host(p.realm), "basic": "it asks for a password", "": "it lets anybody in"}[p.scheme]
	if !cred.Registry.IsDockerHub() {
		return how, nil
	}
	a, err := c.do(ctx, http.MethodGet, hubAPI.JoinPath("/v2/"), "", nil)
	if err != nil {
		return "", p.fault(err)
	}
	if a.status >= http.StatusInternalServerError {
		return "", unexpected(a, nil)
	}
	return how + ", and " + hubAPI.Host + " answers", nil
}

func host(u *url.URL) string {
	if u == nil {
		return "not named"
	}
	return credential.Quote(u.Host)
}
