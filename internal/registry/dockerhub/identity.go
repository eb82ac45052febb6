package dockerhub

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"purser/internal/credential"
	"purser/internal/registry"
)

// levels are the levels of a personal access token from low to high, with the names on Docker's page.
// Each level includes the ones before it.
var levels = []struct{ scope, words string }{
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

// claims is what Docker Hub says about a token.
type claims struct {
	bearer credential.Secret
	owner  string
	token  string // the token's id, if known
	scopes []string
}

// level returns the highest known level, or -1. Organization tokens have other scopes.
func (c *claims) level() int {
	for i := len(levels) - 1; i >= 0; i-- {
		if slices.Contains(c.scopes, levels[i].scope) {
			return i
		}
	}
	return -1
}

// identify exchanges the token for an API bearer, which names the token's owner and level. Any token may
// do this. Docker Hub ignores the user name here, so identify compares it with the owner.
func identify(ctx context.Context, c *registry.Client, cred credential.Credential, login credential.Login) (*registry.Identity, error) {
	told, err := exchange(ctx, c, cred, login)
	if err != nil {
		return nil, err
	}
	id := &registry.Identity{Owner: told.owner, Token: told.token, Exists: func(ctx context.Context, repo credential.Repository) (bool, error) {
		return repositoryExists(ctx, c, told, repo)
	}}
	kind := credential.Classify(cred.Registry, login)
	if named := login.Username; named != "" && kind != credential.OrganizationToken && !strings.EqualFold(told.owner, named) {
		return id, &credential.Fault{
			Reason: credential.WrongOwner, What: "the token belongs to " + credential.Quote(told.owner, login.Token) + ", not to " + named,
			Why: "Docker Hub does not check the user name of a token, so nothing else would notice", Account: named,
		}
	}
	if kind != credential.PersonalToken {
		return id, nil
	}
	return id, judgeLevel(id, told.level(), cred.Access)
}

func judgeLevel(id *registry.Identity, level int, access credential.Access) error {
	if level < 0 {
		id.Notes = append(id.Notes, "Docker Hub did not report the token's level")
		return nil
	}
	id.Level, id.Limited = levels[level].words, level < levelAdmin
	id.Notes = append(id.Notes, "a personal token reaches every repository of its account, not only these")
	if access == credential.Push && level < levelWrite {
		return &credential.Fault{
			Reason: credential.LevelTooLow, What: "the token has too few rights",
			Why: "its level is " + levels[level].words + "; pushing needs " + levels[levelWrite].words,
		}
	}
	switch {
	case level == levelAdmin:
		id.Excess = append(id.Excess, "it may delete images and change repositories")
	case level > levelRead && access == credential.Pull:
		id.Excess = append(id.Excess, "it may push")
	}
	return nil
}

// works exchanges a personal token, for which Docker Hub ignores the user name. For others it would refuse a
// good token with the wrong name.
func works(ctx context.Context, c *registry.Client, token credential.Secret) (bool, error) {
	login := credential.Login{Token: token}
	if kind := credential.Classify(host, login); kind != credential.PersonalToken {
		return false, &credential.Fault{Reason: credential.Usage, What: "only its owner's name tells whether it works", Why: "it is a " + string(kind)}
	}
	_, err := exchange(ctx, c, credential.Credential{Registry: host}, login)
	if r := credential.ReasonOf(err); r == credential.TokenRefused || r == credential.TokenExpired {
		return false, nil
	}
	return err == nil, err
}

// exchange is POST /v2/auth/token. Its documented answers are 200 and 401; others say nothing about the
// token.
func exchange(ctx context.Context, c *registry.Client, cred credential.Credential, login credential.Login) (*claims, error) {
	identifier := cmp.Or(login.Username, "purser") // ignored for personal tokens, but must not be empty
	body, err := json.Marshal(map[string]string{"identifier": identifier, "secret": login.Token.Reveal()})
	if err != nil {
		return nil, err
	}
	a, err := c.Do(ctx, http.MethodPost, api().JoinPath("/v2/auth/token"), string(body), nil)
	switch {
	case err != nil:
		return nil, err
	case a.Status == http.StatusUnauthorized:
		return nil, refusal(c, a, login)
	case a.Status == http.StatusTooManyRequests:
		return nil, c.RateLimited(a, &login)
	case a.Status != http.StatusOK:
		return nil, registry.Unexpected(a, &login)
	}
	told, err := readClaims(a)
	if err == nil && told.owner == "" && credential.Classify(cred.Registry, login) != credential.OrganizationToken {
		return nil, registry.Strange(a, "/v2/auth/token did not say whose token it is")
	}
	return told, err
}

// refusal distinguishes a password that needs a second factor, whose 401 says how to send it, from a
// refused secret.
func refusal(c *registry.Client, a *registry.Answer, login credential.Login) error {
	var body struct {
		SecondFactor string `json:"login_2fa_token"`
	}
	if json.Unmarshal(a.Body, &body) == nil && body.SecondFactor != "" {
		return &credential.Fault{
			Reason: credential.NeedsToken, What: "this is the account's password, and the account has a second factor",
			Why: "docker clients cannot send it; they need an access token",
		}
	}
	return c.Refusal(a, &login)
}

func readClaims(a *registry.Answer) (*claims, error) {
	var body struct {
		AccessToken string `json:"access_token"`
	}
	var payload struct {
		Scope string `json:"scope"`
		Hub   struct {
			Username string `json:"username"`
			Source   any    `json:"source"` // "docker_pat|ID"; other kinds have been objects
		} `json:"https://hub.docker.com"`
	}
	_ = json.Unmarshal(a.Body, &body) // a missing bearer is reported below
	told := &claims{bearer: credential.NewSecret(body.AccessToken)}
	if body.AccessToken == "" || !registry.DecodeClaims(told.bearer, &payload) {
		return nil, registry.Strange(a, "/v2/auth/token returned no readable bearer token")
	}
	told.owner = payload.Hub.Username
	if source, ok := payload.Hub.Source.(string); ok && strings.HasPrefix(source, "docker_pat|") {
		if _, name, _ := strings.Cut(source, "|"); nameForm.MatchString(name) {
			told.token = name
		}
	}
	told.scopes = strings.Fields(payload.Scope)
	return told, nil
}

// repositoryExists asks Docker Hub's list of repositories, which includes those without images. Docker
// Hub hides other accounts' private ones.
func repositoryExists(ctx context.Context, c *registry.Client, told *claims, repo credential.Repository) (bool, error) {
	namespace, name, _ := strings.Cut(string(repo), "/")
	u := api().JoinPath("/v2/namespaces", namespace, "repositories", name)
	a, err := c.Do(ctx, http.MethodHead, u, "", registry.Bearer(told.bearer))
	switch {
	case err != nil:
		return false, err
	case a.Status == http.StatusOK:
		return true, nil
	case a.Status == http.StatusNotFound:
		return false, nil
	case a.Status == http.StatusTooManyRequests:
		return false, c.RateLimited(a, nil)
	}
	return false, registry.Unexpected(a, nil)
}
