package registry

import (
	"context"
	"net/url"

	"purser/internal/credential"
)

// Reach finds out whether a registry answers as one does, without sending a
// secret, and whether what it has besides the protocol answers as well. The text says how
// it lets people in. The error is a *credential.Fault.
func (c *Client) Reach(ctx context.Context, cred credential.Credential) (how string, err error) {
	p := &probe{client: c, cred: cred}
	if err := p.ping(ctx); err != nil {
		return "", p.fault(err)
	}
	how = map[string]string{"bearer": "its token service is " + host(p.realm), "basic": "it asks for a password", "": "it lets anybody in"}[p.scheme]
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
		return "not named"
	}
	return credential.Quote(u.Host)
}
