package conformance

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"purser/internal/credential"
	sandboxhub "purser/internal/sandbox/hub"
)

// hubClaim is the claim of a bearer that says whose it is.
const hubClaim = "https://hub.docker.com"

// signInCases are about the exchange of secrets for bearers.
func signInCases() []hubCase {
	pushClaims := func(c *hubCaller) members { return claimsOf(c.bearer("mockserver", c.box.PushToken.Reveal())) }
	return append([]hubCase{
		{
			row{"exchange", "a personal token exchanged", "200 access_token", hubDoc, ""},
			func(c *hubCaller) string { return c.exchange("mockserver", c.box.PushToken.Reveal()).named() },
		},
		{
			row{"exchange-life", "how long its bearer token is valid, in seconds", "600", seenLive, ""},
			func(c *hubCaller) string {
				claims := pushClaims(c)
				from, _ := claims["iat"].(float64)
				to, _ := claims["exp"].(float64)
				return fmt.Sprint(to - from)
			},
		},
		{
			row{"exchange-issuer", "who gave it, for whom, and its level", "https://api.docker.com/ https://hub.docker.com repo:write", seenLive, ""},
			func(c *hubCaller) string {
				claims := pushClaims(c)
				return fmt.Sprint(claims["iss"], " ", claims["aud"], " ", claims["scope"])
			},
		},
		{
			row{"exchange-source", "the token's id in it", "docker_pat|ID of mockserver", seenLive, ""},
			func(c *hubCaller) string {
				claim, _ := pushClaims(c)[hubClaim].(map[string]any)
				answer := fmt.Sprint(claim["source"], " of ", claim["username"])
				return strings.Replace(answer, c.box.Accounts.Tokens("mockserver")[0].ID, "ID", 1)
			},
		},
		{
			row{"exchange-claims", "its claims", "aud exp https://hub.docker.com iat iss jti scope source", seenLive, ""},
			func(c *hubCaller) string { return strings.Join(slices.Sorted(maps.Keys(pushClaims(c))), " ") },
		},
		{
			row{"exchange-claim", "the members of the claim that says whose it is", "email roles session_id source username uuid", seenLive, ""},
			func(c *hubCaller) string {
				claim, _ := pushClaims(c)[hubClaim].(map[string]any)
				return strings.Join(slices.Sorted(maps.Keys(claim)), " ")
			},
		},
		{
			row{"exchange-other-name", "a personal token under another account's name", "mockserver", seenLive, ""},
			func(c *hubCaller) string {
				claim, _ := claimsOf(c.bearer("someone-else", c.box.PushToken.Reveal()))[hubClaim].(map[string]any)
				return fmt.Sprint(claim["username"])
			},
		},
		{
			row{"exchange-wrong", "a wrong secret", "401 detail errinfo message", hubDoc, ""},
			func(c *hubCaller) string { return c.exchange("mockserver", "FAKE-wrong").named() },
		},
		{
			row{"exchange-revoked", "a token that is inactive", "401", hubDoc, ""},
			func(c *hubCaller) string {
				return codeOf(c.exchange("mockserver", c.box.RevokedToken.Reveal()).short())
			},
		},
		{
			row{"exchange-locked", "a right secret after many wrong ones", "429", seenLive + "; how many is UNCONFIRMED", ""},
			func(c *hubCaller) string {
				for range 20 {
					c.exchange("mockserver", "FAKE-wrong")
				}
				return codeOf(c.exchange("mockserver", c.box.PushToken.Reveal()).short())
			},
		},
	}, passwordCases()...)
}

// passwordCases are about passwords, the second factor, and the older way in.
func passwordCases() []hubCase {
	return []hubCase{
		{
			row{"password", "a password without a second factor", "200 access_token", hubDoc, ""},
			func(c *hubCaller) string {
				c.box.Accounts.AddAccount("plain", credential.NewSecret("FAKE-password"), false)
				return c.exchange("plain", "FAKE-password").named()
			},
		},
		{
			row{"password-2fa", "a password where a second factor is wanted", "401: Require secondary authentication on MFA enabled account, login_2fa_token", hubCode, ""},
			func(c *hubCaller) string {
				r := c.exchange("mockserver", c.box.Password.Reveal())
				answer := fmt.Sprintf("%d: %s", r.status, r.text("detail"))
				if r.text("login_2fa_token") != "" {
					answer += ", login_2fa_token"
				}
				return answer
			},
		},
		{
			row{"2fa", "the code of the second factor", "200 token", hubDoc, ""},
			func(c *hubCaller) string { return c.secondFactor(sandboxhub.DefaultCode).named() },
		},
		{
			row{"2fa-wrong", "a wrong code", "401 with detail", hubDoc, ""},
			func(c *hubCaller) string {
				r := c.secondFactor("000000")
				if r.text("detail") == "" {
					return fmt.Sprint(r.status)
				}
				return fmt.Sprint(r.status, " with detail")
			},
		},
		{
			row{"login", "a personal token at the older /v2/users/login", "200 token", hubDoc, ""},
			func(c *hubCaller) string {
				return c.do(http.MethodPost, "/v2/users/login", "", members{"username": "mockserver", "password": c.box.PushToken.Reveal()}).named()
			},
		},
		{
			row{"login-oat", "an organization's token there", "401: Cannot log into an organization account", seenLive, ""},
			func(c *hubCaller) string {
				token := c.mintFor("acme", members{}).text("token")
				return c.do(http.MethodPost, "/v2/users/login", "", members{"username": "acme", "password": token}).short()
			},
		},
		{
			row{"exchange-oat", "an organization's token exchanged", "200 access_token", hubDoc, ""},
			func(c *hubCaller) string {
				return c.exchange("acme", c.mintFor("acme", members{}).text("token")).named()
			},
		},
		{
			row{"bearer-late", "a bearer after eleven minutes", "401", hubDoc, ""},
			func(c *hubCaller) string {
				bearer := c.session()
				c.pass(11 * time.Minute)
				return codeOf(c.do(http.MethodGet, "/v2/access-tokens", bearer, nil).short())
			},
		},
	}
}
