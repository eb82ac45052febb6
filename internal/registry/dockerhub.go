package registry

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"purser/internal/credential"
)

// hubAPI is Docker Hub's management API (Docker Hub API reference, version 2).
var hubAPI = url.URL{Scheme: "https", Host: "hub.docker.com", Path: "/"} //nolint:gochecknoglobals // a constant that Go cannot write as one

// hubLevels are the levels of a personal access token from low to high, and the
// words of Docker's page for them. Each includes those before it.
var hubLevels = []struct{ scope, words string }{
	{"repo:public_read", "Public Repo Read-only"},
	{"repo:read", "Read-only"},
	{"repo:write", "Read & Write"},
	{"repo:admin", "Read, Write, Delete"},
}

const (
	levelRead  = 1
	levelWrite = 2
	levelAdmin = 3
)

// hubIdentity is what Docker Hub says about a token in exchange for it.
type hubIdentity struct {
	bearer credential.Secret
	owner  string
	token  string // the token's own id, "" where it is not told
	scopes []string
}

// level is the highest level among the scopes, -1 when there is none that is
// known: an organization's token has other scopes.
func (h *hubIdentity) level() int {
	for i := len(hubLevels) - 1; i >= 0; i-- {
		if slices.Contains(h.scopes, hubLevels[i].scope) {
			return i
		}
	}
	return -1
}

// askHub exchanges the token for a bearer of the management API, which names
// the token's owner and level. This needs no right beyond having the token.
// The owner must be the account named: Docker Hub ignores the user name here.
func (p *probe) askHub(ctx context.Context) error {
	id, err := p.client.hubExchange(ctx, p.cred, p.login)
	if err != nil {
		return err
	}
	p.hub = id
	p.proof.Owner, p.proof.TokenID = id.owner, id.token
	if p.login.Username == "" {
		p.login.Username = id.owner
	}
	if p.proof.Kind != credential.OrganizationToken && !strings.EqualFold(id.owner, p.login.Username) {
		return &credential.Fault{
			Reason: credential.WrongOwner, What: "the token belongs to " + credential.Quote(id.owner, p.login.Token) + ", not to " + p.login.Username,
			Why: "Docker Hub does not check the user name beside a token, so this would go unnoticed", Account: p.login.Username,
		}
	}
	return p.judgeLevel(id.level())
}

func (p *probe) judgeLevel(level int) error {
	if p.proof.Kind != credential.PersonalToken {
		return nil
	}
	if level < 0 {
		p.note("Docker Hub did not tell the token's level")
		return nil
	}
	p.proof.Level = hubLevels[level].words
	p.note("a personal token reaches every repository of its account, not only these")
	if p.cred.Access == credential.Push && level < levelWrite {
		return &credential.Fault{
			Reason: credential.LevelTooLow, What: "the token was made with too few rights",
			Why: "its level is " + hubLevels[level].words + "; pushing needs " + hubLevels[levelWrite].words,
		}
	}
	switch {
	case level == levelAdmin:
		p.proof.Excess = append(p.proof.Excess, "it may delete images and change repositories")
	case level > levelRead && p.cred.Access == credential.Pull:
		p.proof.Excess = append(p.proof.Excess, "it may push")
	}
	return nil
}

// hubExchange is POST /v2/auth/token. Documented answers are 200 and 401; what
// else comes says nothing about the token.
func (c *Client) hubExchange(ctx context.Context, cred credential.Credential, login credential.Login) (*hubIdentity, error) {
	identifier := login.Username
	if identifier == "" {
		identifier = "purser" // ignored for personal tokens, and may not be empty
	}
	body, err := json.Marshal(map[string]string{"identifier": identifier, "secret": login.Token.Reveal()})
	if err != nil {
		return nil, err
	}
	u := hubAPI.JoinPath("/v2/auth/token")
	a, err := c.do(ctx, http.MethodPost, u, string(body), nil)
	switch {
	case err != nil:
		return nil, err
	case a.status == http.StatusUnauthorized:
		return nil, c.hubRefusal(a, login)
	case a.status == http.StatusTooManyRequests:
		return nil, c.rateLimited(a, &login)
	case a.status != http.StatusOK:
		return nil, unexpected(a, &login)
	}
	id, err := readHubIdentity(a)
	if err == nil && id.owner == "" && credential.Classify(cred.Registry, login) != credential.OrganizationToken {
		return nil, strangeAnswer(a, "its exchange at /v2/auth/token did not say whose token it is, which purser needs to know")
	}
	return id, err
}

// hubRefusal tells a password whose account wants a second factor, which
// answers 401 with the means to give one, from a secret that is not taken.
func (c *Client) hubRefusal(a *answer, login credential.Login) error {
	var body struct {
		SecondFactor string `json:"login_2fa_token"`
	}
	if json.Unmarshal(a.body, &body) == nil && body.SecondFactor != "" {
		return &credential.Fault{
			Reason: credential.NeedsToken, What: "this is the account's password, and the account asks for a second factor",
			Why: "docker clients cannot give one; they need an access token",
		}
	}
	return c.tokenFault(a, &login)
}

func readHubIdentity(a *answer) (*hubIdentity, error) {
	var body struct {
		AccessToken string `json:"access_token"`
	}
	var claims struct {
		Scope string `json:"scope"`
		Hub   struct {
			Username string `json:"username"`
			Source   any    `json:"source"` // "docker_pat|ID"; other kinds have been objects
		} `json:"https://hub.docker.com"`
	}
	_ = json.Unmarshal(a.body, &body)
	id := &hubIdentity{bearer: credential.NewSecret(body.AccessToken)}
	if body.AccessToken == "" || !decodeClaims(id.bearer, &claims) {
		return nil, strangeAnswer(a, "its exchange at /v2/auth/token gave no bearer that can be read")
	}
	id.owner = claims.Hub.Username
	if source, ok := claims.Hub.Source.(string); ok && strings.HasPrefix(source, "docker_pat|") {
		if _, name, _ := strings.Cut(source, "|"); hubName.MatchString(name) {
			id.token = name
		}
	}
	id.scopes = strings.Fields(claims.Scope)
	return id, nil
}

// hubRepositoryExists asks Docker Hub's list of repositories, which also has
// those that no image was pushed to yet. Private ones of others are hidden as
// if they did not exist.
func (c *Client) hubRepositoryExists(ctx context.Context, id *hubIdentity, repo credential.Repository) (bool, error) {
	namespace, name, _ := strings.Cut(string(repo), "/")
	u := hubAPI.JoinPath("/v2/namespaces", namespace, "repositories", name)
	a, err := c.do(ctx, http.MethodHead, u, "", bearer(id.bearer))
	switch {
	case err != nil:
		return false, err
	case a.status == http.StatusOK:
		return true, nil
	case a.status == http.StatusNotFound:
		return false, nil
	case a.status == http.StatusTooManyRequests:
		return false, c.rateLimited(a, nil)
	}
	return false, unexpected(a, nil)
}
