package registry

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
)

// lockout is how long an account stays locked after too many wrong secrets, if the answer does not say
// (Docker Hub, according to its staff).
const lockout = 15 * time.Minute

// grant is a token service's answer for one scope.
type grant struct {
	bearer   credential.Secret
	actions  []string // actions on the repository, from the bearer's claims
	readable bool     // the bearer has claims; an opaque one does not
	subject  string   // the account; "": anonymous or unknown
	life     time.Duration
}

func (g grant) allows(actions ...string) bool {
	for _, a := range actions {
		if !slices.Contains(g.actions, a) && !slices.Contains(g.actions, "*") {
			return false
		}
	}
	return true
}

// requestToken requests a bearer for actions on a repository (distribution token specification: GET with
// Basic), anonymously if login is nil. Its error is a *credential.Fault.
func (c *Client) requestToken(ctx context.Context, realm *url.URL, service string, repo credential.Repository, actions []string, login *credential.Login) (grant, error) {
	u := *realm
	q := u.Query()
	if service != "" {
		q.Set("service", service)
	}
	q.Set("scope", "repository:"+string(repo)+":"+strings.Join(actions, ","))
	q.Set("client_id", "purser")
	var with Auth
	if login != nil {
		q.Set("account", login.Username)
		with = basic(*login)
	}
	u.RawQuery = q.Encode()
	a, err := c.Do(ctx, http.MethodGet, &u, "", with)
	if err != nil {
		return grant{}, err
	}
	if !a.OK() {
		return grant{}, c.Refusal(a, login)
	}
	var body struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
		Expires     any    `json:"expires_in"` // of any type, so that it spoils no answer
	}
	if json.Unmarshal(a.Body, &body) != nil || body.Token+body.AccessToken == "" {
		return grant{}, Strange(a, "its token service answered 200 without a token")
	}
	if body.Token == "" {
		body.Token = body.AccessToken
	}
	g := readGrant(credential.NewSecret(body.Token), repo)
	g.life = c.lifeOf(g.bearer, body.Expires, g.readable)
	return g, nil
}

// readGrant reads a bearer's claims to explain them; only the registry decides. Bearers of the
// distribution token specification have an access claim; others are opaque, and readGrant does not
// guess.
func readGrant(bearer credential.Secret, repo credential.Repository) grant {
	g := grant{bearer: bearer}
	var claims struct {
		Subject string `json:"sub"`
		Access  *[]struct {
			Type    string   `json:"type"`
			Name    string   `json:"name"`
			Actions []string `json:"actions"`
		} `json:"access"`
	}
	if !DecodeClaims(bearer, &claims) || claims.Access == nil {
		return g
	}
	g.readable = true
	g.subject = claims.Subject
	for _, entry := range *claims.Access {
		if entry.Type == "repository" && entry.Name == string(repo) {
			g.actions = append(g.actions, entry.Actions...)
		}
	}
	return g
}

// DecodeClaims decodes a JWT's payload without verifying it.
func DecodeClaims(token credential.Secret, into any) bool {
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	return err == nil && json.Unmarshal(raw, into) == nil
}

// Refusal interprets a token service's refusal. Docker Hub answers 401 if the token's level is too low,
// and 401 for a wrong secret; revoked, expired and mistyped tokens look the same. GitLab answers 403 for
// a wrong secret.
func (c *Client) Refusal(a *Answer, login *credential.Login) *credential.Fault {
	said := Says(a, login)
	text := strings.ToLower(errorText(a.Body))
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	f := &credential.Fault{Reason: credential.TokenRefused, What: "the registry refused the token", Why: said}
	switch {
	case a.Status == http.StatusTooManyRequests:
		return c.RateLimited(a, login)
	case a.Status != http.StatusUnauthorized && a.Status != http.StatusForbidden:
		return Unexpected(a, login)
	case has("insufficient scope", "higher privileges"):
		f.Reason, f.What = credential.LevelTooLow, "the token has too few rights"
	case has("personal access token"):
		f.Reason, f.What = credential.NeedsToken, "the registry accepts access tokens here, not passwords"
	case has("expired"):
		f.Reason, f.What = credential.TokenExpired, "the token has expired"
	}
	return f
}

// RateLimited is the fault for a 429.
func (c *Client) RateLimited(a *Answer, login *credential.Login) *credential.Fault {
	f := &credential.Fault{
		Reason: credential.RateLimited, Host: a.URL.Host, What: a.URL.Host + " limits requests (429)",
		Why: Says(a, login), Wait: c.retryAfter(a.Header),
	}
	if f.Wait == 0 && strings.Contains(strings.ToLower(errorText(a.Body)), "failed login") {
		f.Wait = lockout
	}
	return f
}

// Unexpected is the fault for a status that is neither a grant nor a refusal, and says nothing about the
// token.
func Unexpected(a *Answer, login *credential.Login) *credential.Fault {
	f := Strange(a, Says(a, login))
	if a.Status >= 300 && a.Status < 400 {
		f.Reason = credential.RegistryUnsafe
		f.What = a.URL.Host + " redirects, and purser follows no redirect with a token"
		f.Why = "it redirects to " + redirectHost(a) + "; a proxy or a network's sign-in page does that too"
	}
	return f
}

// Strange is the fault for an answer that says nothing about a token.
func Strange(a *Answer, why string) *credential.Fault {
	f := &credential.Fault{Reason: credential.RegistryStrange, Host: a.URL.Host, Why: why}
	status := fmt.Sprintf(" (%d)", a.Status)
	switch {
	case a.Status >= http.StatusInternalServerError:
		f.What = a.URL.Host + " is unavailable" + status
	case isPage(a):
		f.What = a.URL.Host + " answered with a web page" + status
		f.Why = strings.TrimPrefix(why+"; ", "; ") + "a proxy or a network's sign-in page answers in its place"
	default:
		f.What = a.URL.Host + " gave an unexpected answer" + status
	}
	return f
}

// isPage tells a page for people from an answer for programs.
func isPage(a *Answer) bool {
	return strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || strings.HasPrefix(strings.TrimSpace(string(a.Body)), "<")
}

func redirectHost(a *Answer) string {
	to, err := a.URL.Parse(a.Header.Get("Location"))
	if err != nil || to.Host == "" {
		return "an invalid address"
	}
	return credential.Quote(to.Host)
}

// Says quotes a registry's message and names the registry. It returns "" if the message repeats the token
// or bearer that was sent.
func Says(a *Answer, login *credential.Login) string {
	secrets := append([]credential.Secret{a.sent}, a.Secret...)
	if login != nil {
		secrets = append(secrets, login.Token)
	}
	text := errorText(a.Body)
	if text == "" {
		return ""
	}
	return a.URL.Host + " says: " + credential.Quote(text, secrets...)
}

// errorText finds the message in an error body. Registries use the distribution form (errors[].code,
// message); Docker Hub uses detail, details, message and text. Other than JSON only short plain text is
// quoted, since the rest is a page.
func errorText(body []byte) string {
	var known struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
		Message any `json:"message"`
		Detail  any `json:"detail"`
		Details any `json:"details"`
		Text    any `json:"text"`
		Error   any `json:"error"`
	}
	if json.Unmarshal(body, &known) != nil {
		text := strings.TrimSpace(string(body))
		if len(text) < 200 && !strings.ContainsAny(text, "<{") {
			return text
		}
		return ""
	}
	if len(known.Errors) > 0 {
		return strings.TrimSpace(strings.ToLower(known.Errors[0].Code) + ": " + known.Errors[0].Message)
	}
	for _, field := range []any{known.Message, known.Detail, known.Details, known.Text, known.Error} {
		if text, ok := field.(string); ok && text != "" {
			return text
		}
	}
	return ""
}
