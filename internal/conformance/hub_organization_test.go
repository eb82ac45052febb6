package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"purser/internal/credential"
	sandboxhub "purser/internal/sandbox/hub"
)

const orgTokens = "/v2/orgs/acme/access-tokens"

// resources is what an organization token may do with a repository.
func resources(path string, scopes ...string) []members {
	return []members{{"type": "TYPE_REPO", "path": path, "scopes": scopes}}
}

// mintFor makes an organization token that may push, unless more changes that.
func (c *hubCaller) mintFor(org string, more members) hubReply {
	c.t.Helper()
	in := members{"label": "new", "resources": resources("acme/app", "scope-image-pull", "scope-image-push")}
	maps.Copy(in, more)
	return c.do(http.MethodPost, "/v2/orgs/"+org+"/access-tokens", c.session(), in)
}

// organizationCases covers organization tokens.
func organizationCases() []hubCase {
	item := "created_at created_by expires_at id is_active label last_used_at"
	all := []hubCase{
		{row{"org-mint", "a new organization token", "201 " + item + " resources token", hubDoc, ""}, func(c *hubCaller) string { return c.mintFor("acme", nil).named() }},
		{
			row{"org-mint-form", "the prefix of an organization token", "dckr_oat_", hubDoc, ""},
			func(c *hubCaller) string {
				token := c.mintFor("acme", nil).text("token")
				return token[:min(9, len(token))]
			},
		},
		{row{"org-mint-none", "a new organization token without a resource", "400", hubDoc, ""},
			func(c *hubCaller) string { return codeOf(c.mintFor("acme", members{"resources": []members{}}).short()) }},
		{
			row{"org-mint-missing", "a new organization token for a missing repository", "400", hubDoc, ""},
			func(c *hubCaller) string {
				return codeOf(c.mintFor("acme", members{"resources": resources("acme/no", "scope-image-pull")}).short())
			},
		},
		{
			row{"org-mint-quota", "an eleventh organization token, with ten inactive ones", "400", hubDoc + noCode, ""},
			func(c *hubCaller) string {
				for range 10 {
					id := c.mintFor("acme", nil).text("id")
					c.do(http.MethodPatch, orgTokens+"/"+id, c.session(), members{"is_active": false})
				}
				return codeOf(c.mintFor("acme", nil).short())
			},
		},
		{row{"org-list", "the members of the list of an organization's tokens", "200 next previous results total", hubDoc, ""},
			func(c *hubCaller) string { return c.do(http.MethodGet, orgTokens, c.session(), nil).named() }},
		{
			row{"org-list-item", "the members of an organization token in the list", "200 " + item, hubDoc, ""},
			func(c *hubCaller) string {
				c.mintFor("acme", nil)
				return c.do(http.MethodGet, orgTokens, c.session(), nil).results()[0].named()
			},
		},
		{
			row{"org-get", "the members of a single organization token", "200 " + item + " resources", hubDoc, ""},
			func(c *hubCaller) string {
				return c.do(http.MethodGet, orgTokens+"/"+c.mintFor("acme", nil).text("id"), c.session(), nil).named()
			},
		},
		{row{"org-get-resources", "what an organization token may do", "TYPE_REPO acme/app scope-image-pull+scope-image-push", hubDoc, ""},
			func(c *hubCaller) string { return c.resourcesOf(c.mintFor("acme", nil).text("id")) }},
	}
	return append(all, organizationChangeCases()...)
}

// resourcesOf returns what an organization token may do.
func (c *hubCaller) resourcesOf(id string) string {
	c.t.Helper()
	list, _ := c.do(http.MethodGet, orgTokens+"/"+id, c.session(), nil).body["resources"].([]any)
	var all []string
	for _, one := range list {
		r, _ := one.(map[string]any)
		all = append(all, fmt.Sprint(r["type"], " ", r["path"], " ", joined(r["scopes"])))
	}
	return strings.Join(all, ", ")
}

func organizationChangeCases() []hubCase {
	return []hubCase{
		{
			row{"org-patch-label", "a renamed organization token", "200 renamed", hubDoc, ""},
			func(c *hubCaller) string {
				r := c.do(http.MethodPatch, orgTokens+"/"+c.mintFor("acme", nil).text("id"), c.session(), members{"label": "renamed"})
				return r.short() + " " + r.text("label")
			},
		},
		{
			row{"org-patch-resources", "an organization token whose rights are reduced", "TYPE_REPO acme/app scope-image-pull", hubDoc, ""},
			func(c *hubCaller) string {
				id := c.mintFor("acme", nil).text("id")
				c.do(http.MethodPatch, orgTokens+"/"+id, c.session(), members{"resources": resources("acme/app", "scope-image-pull")})
				return c.resourcesOf(id)
			},
		},
		{
			row{"org-delete", "an organization token deleted twice", "204, 404", hubDoc, ""},
			func(c *hubCaller) string {
				at := orgTokens + "/" + c.mintFor("acme", nil).text("id")
				first, second := c.do(http.MethodDelete, at, c.session(), nil), c.do(http.MethodDelete, at, c.session(), nil)
				return fmt.Sprint(first.status, ", ", second.status)
			},
		},
		{
			row{"org-unknown", "the tokens of an organization that does not exist", "404", hubDoc, ""},
			func(c *hubCaller) string {
				return codeOf(c.do(http.MethodGet, "/v2/orgs/nobody/access-tokens", c.session(), nil).short())
			},
		},
		{
			row{"org-other", "the tokens of somebody else's organization", "403", hubDoc, ""},
			func(c *hubCaller) string {
				c.box.Accounts.AddOrganization("others", sandboxhub.Organization{Owners: []string{"someone-else"}})
				return codeOf(c.do(http.MethodGet, "/v2/orgs/others/access-tokens", c.session(), nil).short())
			},
		},
		{
			row{"org-pat", "an organization's tokens, with a personal token's bearer", "403", "statements of Docker's staff" + unsure, ""},
			func(c *hubCaller) string {
				return codeOf(c.do(http.MethodGet, orgTokens, c.bearer("mockserver", c.box.PushToken.Reveal()), nil).short())
			},
		},
	}
}

// hubRestCases covers limits, repositories and identities.
func hubRestCases() []hubCase {
	const namespaces = "/v2/namespaces/"
	push := func(c *hubCaller) string { return c.bearer("mockserver", c.box.PushToken.Reveal()) }
	return append([]hubCase{
		{
			row{"user", "the owner of a personal token's bearer", "200 mockserver", seenLive, ""},
			func(c *hubCaller) string {
				r := c.do(http.MethodGet, "/v2/user/", push(c), nil)
				return r.short() + " " + r.text("username")
			},
		},
		{
			row{"repository", "rights to an own repository, with a read-only token", `{"admin":true,"read":true,"write":true}`, seenLive, ""},
			func(c *hubCaller) string {
				r := c.do(http.MethodGet, namespaces+"mockserver/repositories/mockserver", c.bearer("mockserver", c.box.ReadOnlyToken.Reveal()), nil)
				text, err := json.Marshal(r.body["permissions"])
				if err != nil {
					c.t.Fatal(err)
				}
				return string(text)
			},
		},
		{
			row{"repository-private", "somebody else's private repository", "404", seenLive, ""},
			func(c *hubCaller) string {
				return codeOf(c.do(http.MethodGet, namespaces+"someone-else/repositories/private", push(c), nil).short())
			},
		},
		{
			row{"repository-head", "HEAD of an existing repository, and of a missing one", "200, 404", hubDoc, ""},
			func(c *hubCaller) string {
				there := c.do(http.MethodHead, namespaces+"mockserver/repositories/mockserver", push(c), nil)
				not := c.do(http.MethodHead, namespaces+"mockserver/repositories/no", push(c), nil)
				return fmt.Sprint(there.status, ", ", not.status)
			},
		},
		{
			row{"repository-list", "the members of a list of repositories", "200 count next previous results", hubDoc, ""},
			func(c *hubCaller) string {
				return c.do(http.MethodGet, namespaces+"mockserver/repositories", push(c), nil).named()
			},
		},
		{
			row{"describe", "changing a description with a read-write token", "403: access denied: insufficient scope", seenLive, ""},
			func(c *hubCaller) string {
				return c.do(http.MethodPatch, "/v2/repositories/mockserver/mockserver/", push(c), members{"description": "about it"}).short()
			},
		},
		{
			row{"older-oat", "the older path of a repository, with an organization token", "403: token issued from organization access token is not allowed", seenLive, ""},
			func(c *hubCaller) string {
				bearer := c.bearer("acme", c.mintFor("acme", nil).text("token"))
				return c.do(http.MethodGet, "/v2/repositories/acme/app/", bearer, nil).short()
			},
		},
		{row{"audit-pat", "the audit log with a personal token", "403: forbidden", seenLive, ""},
			func(c *hubCaller) string { return c.do(http.MethodGet, "/v2/auditlogs/acme", push(c), nil).short() }},
		{row{"audit", "the audit log of an organization", "200 logs", hubDoc, ""},
			func(c *hubCaller) string { return c.do(http.MethodGet, "/v2/auditlogs/acme", c.session(), nil).named() }},
	}, limitCases()...)
}

func limitCases() []hubCase {
	limited := func(c *hubCaller) hubReply {
		c.box.Accounts.AddAccount("plain", credential.NewSecret("FAKE-password"), false)
		bearer := c.bearer("plain", "FAKE-password")
		c.box.Hub.Limit(1)
		return c.do(http.MethodGet, tokens, bearer, nil)
	}
	headers := func(r hubReply, names ...string) string {
		there := slices.DeleteFunc(names, func(name string) bool { return r.header.Get(name) == "" })
		return strings.Join(there, " ")
	}
	return []hubCase{
		{
			row{"limit-headers", "the rate-limit headers of every answer", "X-RateLimit-Limit X-RateLimit-Remaining X-RateLimit-Reset", hubDoc, ""},
			func(c *hubCaller) string {
				r := c.exchange("mockserver", c.box.PushToken.Reveal())
				return headers(r, "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
			},
		},
		{
			row{"limit", "a request over the limit", `429 {"detail":"Rate limit exceeded","error":false}`, hubDoc, ""},
			func(c *hubCaller) string {
				r := limited(c)
				return fmt.Sprint(r.status, " ", strings.TrimSpace(r.raw))
			},
		},
		{row{"limit-retry", "when to retry", "Retry-After X-Retry-After", hubDoc + "; the second in older ones", ""},
			func(c *hubCaller) string { return headers(limited(c), "Retry-After", "X-Retry-After") }},
	}
}
