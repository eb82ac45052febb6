package dockerhub

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
)

// session is the right to manage an account's tokens at Docker Hub, for the
// minutes that its bearer lives. A token cannot manage tokens (Docker Hub answers
// 403): it takes a person's sign-in.
type session struct {
	Account string    // whose it is
	Expires time.Time // when it ends
	bearer  credential.Secret
}

// String says whose it is and nothing of the bearer.
func (s session) String() string { return "a session of " + s.Account }

// sessionMargin is how long a session must still live to be worth beginning with.
const sessionMargin = 20 * time.Second

// readSession looks at a bearer that a sign-in has left, as docker login leaves
// one in its credential store. Who it is of and when it ends are its own words; Docker
// Hub judges it when it is used.
func readSession(bearer credential.Secret, now time.Time) (session, error) {
	var claims struct {
		Expires int64 `json:"exp"`
		Hub     struct {
			Username string `json:"username"`
			Source   string `json:"source"`
		} `json:"https://hub.docker.com"`
	}
	bad := func(why string) (session, error) {
		return session{}, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: host, What: "what docker's credential store has is no session that can manage tokens", Why: why,
		}
	}
	switch {
	case !registry.DecodeClaims(bearer, &claims):
		return bad("it is not in the form of one")
	case claims.Hub.Username == "" || claims.Expires == 0:
		return bad("it does not say whose it is, or when it ends")
	case strings.HasPrefix(claims.Hub.Source, "docker_pat") || strings.HasPrefix(claims.Hub.Source, "docker_oat"):
		return bad("it was made with a token, and those cannot manage tokens")
	}
	s := session{Account: claims.Hub.Username, Expires: time.Unix(claims.Expires, 0), bearer: bearer}
	if now.Add(sessionMargin).After(s.Expires) {
		return session{}, &credential.Fault{
			Reason: credential.SessionEnded, Registry: host, Account: s.Account, What: "the session of " + credential.Quote(s.Account, bearer) + " has ended",
			Why: "it was good until " + s.Expires.UTC().Format(time.RFC3339),
		}
	}
	return s, nil
}

// codeTries bounds how often a code is asked for: failures lock accounts.
const codeTries = 3

// signIn signs in with the account's password and, where the account has one, a
// second factor. The password is tried once: wrong ones lock the account.
func signIn(ctx context.Context, c *registry.Client, account string, password credential.Secret, code registry.SecondFactor) (session, error) {
	login := credential.Login{Username: account, Token: password}
	switch credential.Classify(host, login) {
	case credential.PersonalToken, credential.OrganizationToken:
		return session{}, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: host, Account: account, What: "this is an access token, and tokens cannot manage tokens",
			Why: "Docker Hub wants the account's password or a browser's sign-in for that",
		}
	}
	body, err := json.Marshal(map[string]string{"identifier": account, "secret": password.Reveal()})
	if err != nil {
		return session{}, err
	}
	a, err := c.Do(ctx, http.MethodPost, api().JoinPath("/v2/auth/token"), string(body), nil)
	if err != nil {
		return session{}, err
	}
	if a.Status == http.StatusUnauthorized {
		var second struct {
			Token string `json:"login_2fa_token"`
		}
		if json.Unmarshal(a.Body, &second) == nil && second.Token != "" {
			return giveCode(ctx, c, login, credential.NewSecret(second.Token), code)
		}
	}
	return readSignIn(c, a, login)
}

// giveCode is POST /v2/users/2fa-login.
func giveCode(ctx context.Context, c *registry.Client, login credential.Login, second credential.Secret, ask registry.SecondFactor) (session, error) {
	for try := range codeTries {
		code, err := ask(ctx, try > 0)
		if err != nil {
			return session{}, err
		}
		body, err := json.Marshal(map[string]string{"login_2fa_token": second.Reveal(), "code": code.Reveal()})
		if err != nil {
			return session{}, err
		}
		a, err := c.Do(ctx, http.MethodPost, api().JoinPath("/v2/users/2fa-login"), string(body), nil)
		if err != nil {
			return session{}, err
		}
		a.Secret = []credential.Secret{second, code}
		if a.Status != http.StatusUnauthorized && a.Status != http.StatusBadRequest {
			return readSignIn(c, a, login)
		}
	}
	return session{}, &credential.Fault{
		Reason: credential.SignInRefused, Registry: host, Account: login.Username, What: "the second factor was wrong",
		Why: fmt.Sprintf("it was tried %d times; more could lock the account", codeTries),
	}
}

func readSignIn(c *registry.Client, a *registry.Answer, login credential.Login) (session, error) {
	said := registry.Says(a, &login)
	lower := strings.ToLower(said)
	switch {
	case a.Status == http.StatusUnauthorized && (strings.Contains(lower, "sso") || strings.Contains(lower, "personal access token")):
		return session{}, &credential.Fault{
			Reason: credential.SignInImpossible, Registry: host, Account: login.Username,
			What: "the account " + login.Username + " cannot sign in with a password", Why: said,
		}
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusBadRequest:
		return session{}, &credential.Fault{
			Reason: credential.SignInRefused, Registry: host, Account: login.Username, What: "Docker Hub does not take the account name or the password", Why: said,
		}
	case a.Status == http.StatusTooManyRequests:
		return session{}, c.RateLimited(a, &login)
	case a.Status != http.StatusOK:
		return session{}, registry.Unexpected(a, &login)
	}
	var body struct {
		AccessToken string `json:"access_token"` // of /v2/auth/token
		Token       string `json:"token"`        // of /v2/users/2fa-login
	}
	_ = json.Unmarshal(a.Body, &body) // what is not there is said below
	text := body.AccessToken
	if text == "" {
		text = body.Token
	}
	if text == "" {
		return session{}, registry.Strange(a, a.URL.Path+" answered 200 without access_token or token")
	}
	s, err := readSession(credential.NewSecret(text), c.Now())
	if err != nil {
		return s, registry.Strange(a, a.URL.Path+" gave a bearer that cannot be used: "+credential.Quote(err.Error(), login.Token))
	}
	if !strings.EqualFold(s.Account, login.Username) && !strings.Contains(login.Username, "@") {
		return session{}, &credential.Fault{
			Reason: credential.WrongOwner, Registry: host, Account: login.Username,
			What: "the session is of " + credential.Quote(s.Account, login.Token) + ", not of " + login.Username,
		}
	}
	return s, nil
}
