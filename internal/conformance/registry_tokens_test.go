package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"purser/internal/realservers"
)

// tokenCases are about the challenge, and the form of a token service's answer.
func tokenCases() []registryCase {
	return []registryCase{
		{
			row{"ping", "GET /v2/ without a credential", "401 UNAUTHORIZED, Bearer realm service", seenLive, ""},
			func(c *registryCaller) string {
				r := c.do(http.MethodGet, "/v2/", nil, nil)
				scheme, _, _ := strings.Cut(r.header.Get("WWW-Authenticate"), " ")
				return r.short() + ", " + scheme + " " + strings.Join(slices.Sorted(maps.Keys(r.challenge())), " ")
			},
		},
		{
			row{"ping-version", "the version that it names", "registry/2.0", seenLive, ""},
			func(c *registryCaller) string {
				return c.do(http.MethodGet, "/v2/", nil, nil).header.Get("Docker-Distribution-Api-Version")
			},
		},
		{
			row{"ping-bearer", "GET /v2/ with a bearer", "200", spec, ""},
			func(c *registryCaller) string { return c.do(http.MethodGet, "/v2/", c.may("pull"), nil).short() },
		},
		{
			row{"ping-garbage", "GET /v2/ with a bearer that nobody gave", "401 UNAUTHORIZED", spec, ""},
			func(c *registryCaller) string {
				return c.do(http.MethodGet, "/v2/", map[string]string{"Authorization": "Bearer FAKE"}, nil).short()
			},
		},
		{
			row{"ping-basic", "GET /v2/ with the name and secret themselves", "401 UNAUTHORIZED", spec, ""},
			func(c *registryCaller) string {
				return c.do(http.MethodGet, "/v2/", map[string]string{"Authorization": "Basic RkFLRTpGQUtF"}, nil).short()
			},
		},
		{
			row{"challenge-pull", "a list of tags without a credential", "401 UNAUTHORIZED, scope repository:REPO:pull", tokenSpec, ""},
			func(c *registryCaller) string {
				return c.refused(c.do(http.MethodGet, "/v2/"+c.repo+"/tags/list", nil, nil))
			},
		},
		{
			row{"challenge-push", "an upload without a credential", "401 UNAUTHORIZED, scope repository:REPO:pull,push", tokenSpec, ""},
			func(c *registryCaller) string {
				return c.refused(c.do(http.MethodPost, "/v2/"+c.repo+"/blobs/uploads/", nil, nil))
			},
		},
		{
			row{"token-field", "the member with the bearer", "token", tokenSpec + ", which has access_token as well", ""},
			func(c *registryCaller) string {
				names := fieldsOf(c.signIn(c.at.push))
				return strings.Join(slices.DeleteFunc(names, func(n string) bool { return !strings.HasSuffix(n, "token") }), " ")
			},
		},
		{
			row{"token-expires", "how long a bearer token is valid, in seconds", "300", seenLive, ""},
			func(c *registryCaller) string {
				var answer struct {
					Expires int `json:"expires_in"`
				}
				_ = json.Unmarshal(c.signIn(c.at.push).body, &answer) // none is 0
				return fmt.Sprint(answer.Expires)
			},
		},
		{
			row{"token-not-before", "the time when a bearer token becomes valid", "exp iat+300, nbf iat-300", seenLive, ""},
			func(c *registryCaller) string {
				claims := c.signIn(c.at.push).claims()
				at := func(name string) float64 { n, _ := claims[name].(float64); return n }
				return fmt.Sprintf("exp iat%+.0f, nbf iat%+.0f", at("exp")-at("iat"), at("nbf")-at("iat"))
			},
		},
		{
			row{"token-claims", "the claims of a bearer", "access aud exp iat iss jti nbf sub", seenLive, ""},
			func(c *registryCaller) string {
				return strings.Join(slices.Sorted(maps.Keys(c.signIn(c.at.push).claims())), " ")
			},
		},
		{
			row{"token-audience", "whom a bearer is for", "the service of the challenge", tokenSpec, ""},
			func(c *registryCaller) string {
				service := c.do(http.MethodGet, "/v2/", nil, nil).challenge()["service"]
				if aud := c.signIn(c.at.push).claims()["aud"]; aud == service || aud != nil && joined(aud) == service {
					return "the service of the challenge"
				}
				return "somebody else"
			},
		},
		{
			row{"token-post", "POST to the token service, grant_type=password", "200 pull+push", tokenSpec, ""},
			func(c *registryCaller) string { return c.post(c.at.push).granted() },
		},
		{
			row{"token-post-members", "the members of its answer", "access_token expires_in issued_at scope", tokenSpec, ""},
			func(c *registryCaller) string {
				if r := c.post(c.at.push); r.status != http.StatusOK {
					return r.short()
				}
				return strings.Join(fieldsOf(c.post(c.at.push)), " ")
			},
		},
		{
			row{"token-post-wrong", "POST with a wrong secret", "401: incorrect username or password", seenLive + unsure, ""},
			func(c *registryCaller) string {
				return c.post(realservers.User{Name: c.at.push.Name, Password: "FAKE-wrong"}).short()
			},
		},
	}
}

// post asks the token service as OAuth 2.0 has it.
func (c *registryCaller) post(u realservers.User) registryReply {
	c.t.Helper()
	way := c.do(http.MethodGet, "/v2/", nil, nil).challenge()
	form := url.Values{
		"grant_type": {"password"}, "service": {way["service"]}, "client_id": {"conformance"},
		"username": {u.Name}, "password": {u.Password}, "scope": {"repository:" + c.repo + ":pull,push"},
	}
	return c.do(http.MethodPost, way["realm"], map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, []byte(form.Encode()))
}

func fieldsOf(r registryReply) []string {
	var answer map[string]any
	_ = json.Unmarshal(r.body, &answer) // no JSON has no members
	return slices.Sorted(maps.Keys(answer))
}

// grantCases are about who is given what.
func grantCases() []registryCase {
	asking := func(id, title, documented, source string, as func(registryPlace) realservers.User, scope func(*registryCaller) string) registryCase {
		return registryCase{row{id, title, documented, source, ""}, func(c *registryCaller) string {
			u := as(c.at)
			if u.Name == "-" {
				return "" // there is nobody of this kind
			}
			if s := scope(c); s != "" {
				return c.signIn(u, s).granted()
			}
			return c.signIn(u).granted()
		}}
	}
	push := func(at registryPlace) realservers.User { return at.push }
	limited := func(at registryPlace) realservers.User { return at.limited }
	nobody := func(registryPlace) realservers.User { return realservers.User{} }
	wrong := func(at registryPlace) realservers.User {
		return realservers.User{Name: at.push.Name, Password: "FAKE-wrong"}
	}
	low := func(at registryPlace) realservers.User {
		if at.low.Name == "" {
			return realservers.User{Name: "-"}
		}
		return at.low
	}
	known := func(actions string) func(*registryCaller) string {
		return func(c *registryCaller) string { return "repository:" + c.at.known + ":" + actions }
	}
	foreign := func(c *registryCaller) string { return "repository:" + c.at.foreign + ":pull,push" }
	none := func(*registryCaller) string { return "" }
	return []registryCase{
		asking("grant-no-scope", "a bearer without a scope, as docker login asks", "200 nothing", seenLive, push, none),
		asking("grant-push", "pull and push for who may", "200 pull+push", seenLive, push, known("pull,push")),
		asking("grant-reversed", "push and pull for who may", "200 pull+push", seenLive, push, known("push,pull")),
		asking("grant-cut", "pull and push for an account that may pull alone", "200 pull", seenLive, limited, known("pull,push")),
		asking("grant-low", "pull and push with a token for reading", "401: access token has insufficient scopes", seenLive, low, known("pull,push")),
		asking("grant-low-pull", "pull with a token for reading", "200 pull", seenLive, low, known("pull")),
		asking("grant-delete", "delete with a token for reading and writing", "401: access token has insufficient scopes", seenLive+unsure, low, known("pull,push,delete")),
		asking("grant-foreign", "pull and push for another's private repository", "200 nothing", seenLive, push, foreign),
		asking("grant-wrong", "a wrong secret", "401: incorrect username or password", seenLive, wrong, known("pull")),
		asking("grant-nobody", "anonymous pull of a public repository", "200 pull", seenLive, nobody, known("pull")),
		asking("grant-nobody-push", "anonymous pull and push of a public repository", "200 pull", seenLive, nobody, known("pull,push")),
		asking("grant-nobody-private", "anonymous pull of a private repository", "200 nothing", seenLive, nobody, foreign),
		asking("grant-bad-name", "a malformed repository name", "400: invalid repository name", seenLive, push,
			func(*registryCaller) string { return "repository:UPPER/case:pull" }),
		{
			row{"grant-two", "two scopes, one of them for another's repository", "200 pull+push", tokenSpec, ""},
			func(c *registryCaller) string {
				return c.signIn(c.at.push, "repository:"+c.at.foreign+":pull,push", "repository:"+c.at.known+":pull,push").granted()
			},
		},
		{
			row{"push-bearer-pull", "an upload with a bearer for pull", "401 UNAUTHORIZED, scope repository:REPO:pull,push, error insufficient_scope", seenLive, ""},
			func(c *registryCaller) string {
				c.repo = c.at.known
				return c.refused(c.do(http.MethodPost, "/v2/"+c.repo+"/blobs/uploads/", c.may("pull"), nil))
			},
		},
		{
			row{"push-bearer-limited", "an upload by an account that may pull alone", "401 UNAUTHORIZED, scope repository:REPO:pull,push, error insufficient_scope", seenLive, ""},
			func(c *registryCaller) string {
				c.repo = c.at.known
				return c.refused(c.do(http.MethodPost, "/v2/"+c.repo+"/blobs/uploads/", c.mayOn(c.repo, c.at.limited, "pull,push"), nil))
			},
		},
		{
			row{"push-bearer-other", "an upload with a bearer for another repository", "401 UNAUTHORIZED, scope repository:REPO:pull,push, error insufficient_scope", seenLive, ""},
			func(c *registryCaller) string {
				return c.refused(c.do(http.MethodPost, "/v2/"+c.repo+"/blobs/uploads/", c.mayOn(c.at.known, c.at.push, "pull,push"), nil))
			},
		},
	}
}
