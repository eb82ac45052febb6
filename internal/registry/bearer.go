package registry

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"purser/internal/credential"
)

const (
	// leastLife is how long a bearer works that says nothing else, and at least (distribution token
	// specification, expires_in).
	leastLife = time.Minute
	// leeway is how long registries may accept a bearer beyond its end, for clocks that differ (RFC 7519
	// section 4.1.4). The distribution project's registry does so for a minute.
	leeway = time.Minute
	// longestLife is more than any bearer's. purser does not believe longer ones, nor could it write the
	// date.
	longestLife = 366 * 24 * time.Hour
)

// lifeOf returns how long a bearer works at most, by what its token service said in expires_in and by its
// claims; 0: neither says. An opaque bearer has no claims, and lifeOf does not guess.
func (c *Client) lifeOf(bearer credential.Secret, said any, readable bool) time.Duration {
	seconds, _ := said.(float64)
	var claims struct {
		Issued  float64 `json:"iat"`
		Expires float64 `json:"exp"`
	}
	if DecodeClaims(bearer, &claims) && claims.Expires > 0 {
		seconds = max(seconds, claims.Expires-cmp.Or(claims.Issued, float64(c.now().Unix())))
	}
	switch {
	case seconds <= 0 && !readable, seconds > longestLife.Seconds():
		return 0
	}
	return max(leastLife, time.Duration(seconds*float64(time.Second))) + leeway
}

// Issue gets a bearer for a login, to find out how long it outlives the token. It asks for the right to
// pull from the credential's first repository: a token service gives all bearers the same life, and this
// one should be able to do no harm.
func (c *Client) Issue(ctx context.Context, cred credential.Credential, login credential.Login) (credential.Bearer, error) {
	p := &probe{client: c, cred: cred, login: login}
	p.login.Username = cmp.Or(login.Username, cred.Username)
	b, err := p.issue(ctx)
	if err != nil {
		return b, p.fault(err)
	}
	return b, nil
}

func (p *probe) issue(ctx context.Context) (credential.Bearer, error) {
	var none credential.Bearer
	if f := p.misplaced(); f != nil {
		return none, f
	}
	if p.login.Username == "" {
		if err := p.identify(ctx); err != nil {
			return none, err
		}
	}
	if err := p.ping(ctx); err != nil || p.scheme != "bearer" {
		return none, err
	}
	repo := p.cred.Repositories[0]
	with, g, err := p.authorise(ctx, repo, []string{"pull"}, &p.login)
	if err != nil {
		return none, err
	}
	refuses := false // the same question without credentials; otherwise an answer means nothing
	return credential.Bearer{Life: g.life, Accepted: func(ctx context.Context) (credential.Verdict, error) {
		v, err := p.reads(ctx, repo, with)
		if v != credential.Granted || refuses {
			return v, err
		}
		switch v, err = p.reads(ctx, repo, nil); v {
		case credential.Refused:
			refuses = true
			return credential.Granted, nil
		case credential.Granted:
			err = &credential.Fault{
				Reason: credential.ProofEmpty, What: string(p.cred.Registry) + " lets anyone read " + string(repo), Why: "so it answers alike with and without a bearer token",
			}
		case credential.Unknown:
		}
		return credential.Unknown, err
	}}, nil
}

// reads asks for the list of tags. Anything but the registry's own answer is unknown: a proxy's page says
// nothing about a bearer.
func (p *probe) reads(ctx context.Context, repo credential.Repository, with Auth) (credential.Verdict, error) {
	a, err := p.client.Do(ctx, http.MethodGet, p.tags(repo), "", with)
	if err != nil {
		return credential.Unknown, err
	}
	_, challenged := choose(parseChallenges(a.Header.Values("WWW-Authenticate")))
	switch {
	case a.OK() && isTagList(a.Body), a.Status == http.StatusNotFound && !isPage(a):
		return credential.Granted, nil
	case a.Status == http.StatusUnauthorized && challenged:
		return credential.Refused, nil
	case a.Status == http.StatusTooManyRequests:
		return credential.Unknown, p.client.RateLimited(a, nil)
	}
	return credential.Unknown, Unexpected(a, nil)
}
