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

// session lets purser manage an account's tokens at Docker Hub until its bearer token expires,
// after some minutes. Only a person's sign-in gives one: Docker Hub answers 403 to a token.
type session struct {
	Account string
	Expires time.Time
	bearer  credential.Secret
}

// String leaves out the bearer token.
func (s session) String() string { return "a session of " + s.Account }

// sessionMargin is how long a session must still be valid for purser to start with it.
const sessionMargin = 20 * time.Second

// readSession reads the bearer token of a sign-in, such as docker login's in docker's credential
// store. It trusts the token's claims about account and expiry: Docker Hub verifies every request.
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
			Reason: credential.SessionNeeded, Registry: host, What: "docker's credential store holds no session that can manage tokens", Why: why,
		}
	}
	switch {
	case !registry.DecodeClaims(bearer, &claims):
		return bad("it has another form")
	case claims.Hub.Username == "" || claims.Expires == 0:
		return bad("it lacks the account or the expiry")
	case strings.HasPrefix(claims.Hub.Source, "docker_pat") || strings.HasPrefix(claims.Hub.Source, "docker_oat"):
		return bad("it was made with a token, and tokens cannot manage tokens")
	}
	s := session{Account: claims.Hub.Username, Expires: time.Unix(claims.Expires, 0), bearer: bearer}
	if now.Add(sessionMargin).After(s.Expires) {
		return session{}, &credential.Fault{
			Reason: credential.SessionEnded, Registry: host, Account: s.Account, What: "the session of " + credential.Quote(s.Account, bearer) + " has ended",
			Why: "it was valid until " + s.Expires.UTC().Format(time.RFC3339),
		}
	}
	return s, nil
}

// codeTries limits the codes that purser tries: wrong ones lock the account.
const codeTries = 3

// signIn signs in with the account's password and its second factor, if it has one. It tries the
// password once: wrong ones lock the account.
func signIn(ctx context.Context, c *registry.Client, account string, password credential.Secret, code registry.SecondFactor) (session, error) {
	login := credential.Login{Username: account, Token: password}
	switch credential.Classify(host, login) {
	case credential.PersonalToken, credential.OrganizationToken:
		return session{}, &credential.Fault{
			Reason: credential.SessionNeeded, Registry: host, Account: account, What: "this is an access token, and tokens cannot manage tokens",
			Why: "Docker Hub requires the account's password or a sign-in by browser",
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

// giveCode sends the second factor to /v2/users/2fa-login.
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
		Why: fmt.Sprintf("purser tried %d codes; more could lock the account", codeTries),
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
			Reason: credential.SignInRefused, Registry: host, Account: login.Username, What: "Docker Hub refused the account name or the password", Why: said,
		}
	case a.Status == http.StatusTooManyRequests:
		return session{}, c.RateLimited(a, &login)
	case a.Status != http.StatusOK:
		return session{}, registry.Unexpected(a, &login)
	}
	var body struct {
		AccessToken string `json:"access_token"` // from /v2/auth/token
		Token       string `json:"token"`        // from /v2/users/2fa-login
	}
	_ = json.Unmarshal(a.Body, &body) // the check below reports an empty token
	text := body.AccessToken
	if text == "" {
		text = body.Token
	}
	if text == "" {
		return session{}, registry.Strange(a, a.URL.Path+" answered 200 without access_token or token")
	}
	s, err := readSession(credential.NewSecret(text), c.Now())
	if err != nil {
		return s, registry.Strange(a, a.URL.Path+" gave a bearer token that purser cannot use: "+credential.Quote(err.Error(), login.Token))
	}
	if !strings.EqualFold(s.Account, login.Username) && !strings.Contains(login.Username, "@") {
		return session{}, &credential.Fault{
			Reason: credential.WrongOwner, Registry: host, Account: login.Username,
			What: "the session belongs to " + credential.Quote(s.Account, login.Token) + ", not of " + login.Username,
		}
	}
	return s, nil
}
