package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"purser/internal/credential"
)

// HubSession is the right to manage an account's tokens at Docker Hub, for the
// minutes that its bearer lives. A token cannot manage tokens (Docker Hub answers
// 403): it takes a person's sign-in.
type HubSession struct {
	Account string    // whose it is
	Expires time.Time // when it ends
	bearer  credential.Secret
}

// String says whose it is and nothing of the bearer.
func (s HubSession) String() string { return "a session of " + s.Account }

// sessionMargin is how long a session must still live to be worth beginning with.
const sessionMargin = 20 * time.Second

// ReadHubSession looks at a bearer that a sign-in has left, as docker login leaves
// one in its credential store. Who it is of and when it ends are its own words; Docker
// Hub judges it when it is used.
func ReadHubSession(bearer credential.Secret, now time.Time) (HubSession, error) {
	var claims struct {
		Expires int64 `json:"exp"`
		Hub     struct {
			Username string `json:"username"`
			Source   string `json:"source"`
		} `json:"https://hub.docker.com"`
	}
	bad := func(why string) (HubSession, error) {
		return HubSession{}, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: credential.DockerHub, What: "what docker's credential store has is no session that can manage tokens", Why: why,
		}
	}
	switch {
	case !decodeClaims(bearer, &claims):
		return bad("it is not in the form of one")
	case claims.Hub.Username == "" || claims.Expires == 0:
		return bad("it does not say whose it is, or when it ends")
	case strings.HasPrefix(claims.Hub.Source, "docker_pat") || strings.HasPrefix(claims.Hub.Source, "docker_oat"):
		return bad("it was made with a token, and those cannot manage tokens")
	}
	s := HubSession{Account: claims.Hub.Username, Expires: time.Unix(claims.Expires, 0), bearer: bearer}
	if now.Add(sessionMargin).After(s.Expires) {
		return HubSession{}, &credential.Fault{
			Reason: credential.SessionEnded, Registry: credential.DockerHub, Account: s.Account, What: "the session of " + credential.Quote(s.Account, bearer) + " has ended",
			Why: "it was good until " + s.Expires.UTC().Format(time.RFC3339),
		}
	}
	return s, nil
}

// SecondFactor asks a person for the code of a second factor. It is asked again
// after a wrong one.
type SecondFactor func(ctx context.Context, again bool) (credential.Secret, error)

// codeTries bounds how often a code is asked for: failures lock accounts.
const codeTries = 3

// SignInHub signs in with the account's password and, where the account has one, a
// second factor. The password is tried once: wrong ones lock the account.
func (c *Client) SignInHub(ctx context.Context, account string, password credential.Secret, code SecondFactor) (HubSession, error) {
	login := credential.Login{Username: account, Token: password}
	switch credential.Classify(credential.DockerHub, login) {
	case credential.PersonalToken, credential.OrganizationToken:
		return HubSession{}, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: credential.DockerHub, Account: account, What: "this is an access token, and tokens cannot manage tokens",
			Why: "Docker Hub wants the account's password or a browser's sign-in for that",
		}
	}
	body, err := json.Marshal(map[string]string{"identifier": account, "secret": password.Reveal()})
	if err != nil {
		return HubSession{}, err
	}
	a, err := c.do(ctx, http.MethodPost, hubAPI.JoinPath("/v2/auth/token"), string(body), nil)
	if err != nil {
		return HubSession{}, err
	}
	if a.status == http.StatusUnauthorized {
		var second struct {
			Token string `json:"login_2fa_token"`
		}
		if json.Unmarshal(a.body, &second) == nil && second.Token != "" {
			return c.giveCode(ctx, login, credential.NewSecret(second.Token), code)
		}
	}
	return c.readSignIn(a, login)
}

// giveCode is POST /v2/users/2fa-login.
func (c *Client) giveCode(ctx context.Context, login credential.Login, second credential.Secret, ask SecondFactor) (HubSession, error) {
	for try := range codeTries {
		code, err := ask(ctx, try > 0)
		if err != nil {
			return HubSession{}, err
		}
		body, err := json.Marshal(map[string]string{"login_2fa_token": second.Reveal(), "code": code.Reveal()})
		if err != nil {
			return HubSession{}, err
		}
		a, err := c.do(ctx, http.MethodPost, hubAPI.JoinPath("/v2/users/2fa-login"), string(body), nil)
		if err != nil {
			return HubSession{}, err
		}
		a.secret = []credential.Secret{second, code}
		if a.status != http.StatusUnauthorized && a.status != http.StatusBadRequest {
			return c.readSignIn(a, login)
		}
	}
	return HubSession{}, &credential.Fault{
		Reason: credential.SignInRefused, Registry: credential.DockerHub, Account: login.Username, What: "the second factor was wrong",
		Why: fmt.Sprintf("it was tried %d times; more could lock the account", codeTries),
	}
}

func (c *Client) readSignIn(a *answer, login credential.Login) (HubSession, error) {
	said := says(a, &login)
	lower := strings.ToLower(said)
	switch {
	case a.status == http.StatusUnauthorized && (strings.Contains(lower, "sso") || strings.Contains(lower, "personal access token")):
		return HubSession{}, &credential.Fault{
			Reason: credential.SignInImpossible, Registry: credential.DockerHub, Account: login.Username,
			What: "the account " + login.Username + " cannot sign in with a password", Why: said,
		}
	case a.status == http.StatusUnauthorized || a.status == http.StatusBadRequest:
		return HubSession{}, &credential.Fault{
			Reason: credential.SignInRefused, Registry: credential.DockerHub, Account: login.Username, What: "Docker Hub does not take the account name or the password", Why: said,
		}
	case a.status == http.StatusTooManyRequests:
		return HubSession{}, c.rateLimited(a, &login)
	case a.status != http.StatusOK:
		return HubSession{}, unexpected(a, &login)
	}
	var body struct {
		AccessToken string `json:"access_token"` // of /v2/auth/token
		Token       string `json:"token"`        // of /v2/users/2fa-login
	}
	_ = json.Unmarshal(a.body, &body) // what is not there is said below
	text := body.AccessToken
	if text == "" {
		text = body.Token
	}
	if text == "" {
		return HubSession{}, strangeAnswer(a, a.url.Path+" answered 200 without access_token or token")
	}
	s, err := ReadHubSession(credential.NewSecret(text), c.now())
	if err != nil {
		return s, strangeAnswer(a, a.url.Path+" gave a bearer that cannot be used: "+credential.Quote(err.Error(), login.Token))
	}
	if !strings.EqualFold(s.Account, login.Username) && !strings.Contains(login.Username, "@") {
		return HubSession{}, &credential.Fault{
			Reason: credential.WrongOwner, Registry: credential.DockerHub, Account: login.Username,
			What: "the session is of " + credential.Quote(s.Account, login.Token) + ", not of " + login.Username,
		}
	}
	return s, nil
}
