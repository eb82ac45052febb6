package registry

import (
	"context"
	"net/url"

	"purser/internal/credential"
)

// Reach checks, without sending a secret, whether a registry and its other services answer, and
// describes how it authenticates. Its error is a *credential.Fault.
func (c *Client) Reach(ctx context.Context, cred credential.Credential) (how string, err error) {
	p := &probe{client: c, cred: cred}
	if err := p.ping(ctx); err != nil {
		return "", p.fault(err)
	}
	how = map[string]string{"bearer": "its token service is " + host(p.realm), "basic": "it uses passwords", "": "it needs no sign-in"}[p.scheme]
	reach := KindOf(cred.Registry).Reach
	if reach == nil {
		return how, nil
	}
	more, err := reach(ctx, c)
	if err != nil {
		return "", p.fault(err)
	}
	return how + ", and " + more, nil
}

func host(u *url.URL) string {
	if u == nil {
		return "unknown"
	}
	return credential.Quote(u.Host)
}
