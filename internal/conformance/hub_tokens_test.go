package conformance

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const tokens = "/v2/access-tokens"

// tokenListCases covers who may list an account's tokens, and the list's form.
func tokenListCases() []hubCase {
	get := func(c *hubCaller, query string) hubReply { return c.do(http.MethodGet, tokens+query, c.session(), nil) }
	return []hubCase{
		{
			row{"list-pat", "the tokens, with a personal token's bearer", "403: token issued from personal access token is not allowed", seenLive, ""},
			func(c *hubCaller) string {
				return c.do(http.MethodGet, tokens, c.bearer("mockserver", c.box.PushToken.Reveal()), nil).short()
			},
		},
		{
			row{"mint-pat", "a new token, with a personal token's bearer", "403", seenLive, ""},
			func(c *hubCaller) string {
				return codeOf(c.mint(c.bearer("mockserver", c.box.PushToken.Reveal()), "x").short())
			},
		},
		{row{"list-raw", "the tokens, with a personal token as the bearer", "401: unauthorized", seenLive, ""},
			func(c *hubCaller) string { return c.do(http.MethodGet, tokens, c.box.PushToken.Reveal(), nil).short() }},
		{row{"list-nobody", "the tokens, without a bearer", "401", hubDoc, ""}, func(c *hubCaller) string { return codeOf(c.do(http.MethodGet, tokens, "", nil).short()) }},
		{row{"list", "the members of the list", "200 active_count count next previous results", hubDoc, ""}, func(c *hubCaller) string { return get(c, "").named() }},
		{
			row{
				"list-item", "the members of a token", "200 client_id created_at creator_ip creator_ua expires_at generated_by is_active last_used " +
					"scopes token token_label uuid", hubDoc, "",
			},
			func(c *hubCaller) string { return get(c, "").results()[0].named() },
		},
		{
			row{"list-hidden", "the token itself in the list", "hidden", hubDoc, ""},
			func(c *hubCaller) string {
				if shown := get(c, "").results()[0].text("token"); shown != "" && shown != "***" {
					return "shown"
				}
				return "hidden"
			},
		},
		{
			row{"list-pages", "14 tokens in pages", "10 and next page=2; 4 and no next", hubDoc, ""},
			func(c *hubCaller) string {
				session := c.fourteen()
				first, second := c.do(http.MethodGet, tokens, session, nil), c.do(http.MethodGet, tokens+"?page=2", session, nil)
				return pageOf(first, "next") + "; " + pageOf(second, "next")
			},
		},
		{
			row{"list-previous", "the page before the second", "4 and previous page=1", hubDoc, ""},
			func(c *hubCaller) string {
				return pageOf(c.do(http.MethodGet, tokens+"?page=2", c.fourteen(), nil), "previous")
			},
		},
		{
			row{"list-size", "14 tokens with a page size of 100", "14 and no next", hubDoc, ""},
			func(c *hubCaller) string {
				return pageOf(c.do(http.MethodGet, tokens+"?page_size=100", c.fourteen(), nil), "next")
			},
		},
		{
			row{"list-count", "the numbers of tokens and active tokens", "4 and 3", hubDoc, ""},
			func(c *hubCaller) string {
				r := get(c, "")
				return fmt.Sprint(r.body["count"], " and ", r.body["active_count"])
			},
		},
		{row{"get-unknown", "a token that does not exist", "404", hubDoc, ""},
			func(c *hubCaller) string { return codeOf(get(c, "/00000000-0000-4000-8000-000000000000").short()) }},
	}
}

// fourteen makes tokens until there are fourteen.
func (c *hubCaller) fourteen() (session string) {
	c.t.Helper()
	session = c.session()
	for len(c.box.Accounts.Tokens("mockserver")) < 14 {
		c.mint(session, "one of many")
	}
	return session
}

// pageOf returns a page's length, and the page that next or previous links to.
func pageOf(r hubReply, member string) string {
	u, err := url.Parse(r.text(member))
	if r.text(member) == "" || err != nil {
		return fmt.Sprintf("%d and no %s", len(r.results()), member)
	}
	if u.Scheme+"://"+u.Host+u.Path != "https://hub.docker.com"+tokens {
		return "an address elsewhere"
	}
	return fmt.Sprintf("%d and %s page=%s", len(r.results()), member, u.Query().Get("page"))
}

// tokenChangeCases covers making, changing and revoking tokens.
func tokenChangeCases() []hubCase {
	refused := func(id, title string, in members) hubCase {
		return hubCase{row{id, title, "400", hubDoc, ""}, func(c *hubCaller) string {
			return codeOf(c.do(http.MethodPost, tokens, c.session(), in).short())
		}}
	}
	write := []string{"repo:write"}
	all := []hubCase{
		{
			row{"mint", "a new token", "201 dckr_pat_, 36 characters", hubCode, ""},
			func(c *hubCaller) string {
				r := c.mint(c.session(), "new")
				token := r.text("token")
				return fmt.Sprintf("%d %s, %d characters", r.status, token[:min(9, len(token))], len(token))
			},
		},
		{
			row{"mint-works", "a new token exchanged immediately", "200", hubDoc + unsure, ""},
			func(c *hubCaller) string {
				return c.exchange("mockserver", c.mint(c.session(), "new").text("token")).short()
			},
		},
		{
			row{"mint-twice", "a second token with the same label", "201, another id", hubDoc + unsure, ""},
			func(c *hubCaller) string {
				session := c.session()
				first, second := c.mint(session, "new"), c.mint(session, "new")
				if first.text("uuid") == second.text("uuid") {
					return second.short() + ", the same id"
				}
				return second.short() + ", another id"
			},
		},
		{
			row{"mint-expires", "a token with an expiry, exchanged after it", "201, then 401", hubDoc, ""},
			func(c *hubCaller) string {
				at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
				r := c.do(http.MethodPost, tokens, c.session(), members{"token_label": "new", "scopes": write, "expires_at": at})
				c.pass(2 * time.Hour)
				return r.short() + ", then " + codeOf(c.exchange("mockserver", r.text("token")).short())
			},
		},
		refused("mint-no-label", "a new token without a label", members{"scopes": write}),
		refused("mint-long-label", "a new token with a label of 101 characters", members{"token_label": strings.Repeat("x", 101), "scopes": write}),
		refused("mint-no-scope", "a new token without a scope", members{"token_label": "new"}),
		refused("mint-bad-scope", "a new token with a scope that does not exist", members{"token_label": "new", "scopes": []string{"repo:coffee"}}),
	}
	return append(all, tokenEndCases()...)
}

func tokenEndCases() []hubCase {
	patch := func(c *hubCaller, in members) (hubReply, string) {
		c.t.Helper()
		session := c.session()
		made := c.mint(session, "new")
		return c.do(http.MethodPatch, tokens+"/"+made.text("uuid"), session, in), made.text("token")
	}
	return []hubCase{
		{
			row{"patch-active", "a token deactivated, then exchanged", "200 false, then 401", hubDoc, ""},
			func(c *hubCaller) string {
				r, token := patch(c, members{"is_active": false})
				return fmt.Sprint(r.short(), " ", r.body["is_active"], ", then ", codeOf(c.exchange("mockserver", token).short()))
			},
		},
		{
			row{"patch-label", "a renamed token", "200 renamed true", hubDoc, ""},
			func(c *hubCaller) string {
				r, _ := patch(c, members{"token_label": "renamed"})
				return fmt.Sprint(r.short(), " ", r.text("token_label"), " ", r.body["is_active"])
			},
		},
		{
			row{"patch-scopes", "a token's scopes changed", "repo:write", hubDoc + unsure, ""},
			func(c *hubCaller) string {
				r, _ := patch(c, members{"scopes": []string{"repo:admin"}})
				return joined(r.body["scopes"])
			},
		},
		{
			row{"patch-unknown", "a change of a token that does not exist", "404", hubDoc + unsure, ""},
			func(c *hubCaller) string {
				return codeOf(c.do(http.MethodPatch, tokens+"/no", c.session(), members{"is_active": false}).short())
			},
		},
		{
			row{"delete", "a token deleted twice, then exchanged", "204, 404, then 401", hubDoc, ""},
			func(c *hubCaller) string {
				session := c.session()
				made := c.mint(session, "new")
				first := c.do(http.MethodDelete, tokens+"/"+made.text("uuid"), session, nil)
				second := c.do(http.MethodDelete, tokens+"/"+made.text("uuid"), session, nil)
				return fmt.Sprint(first.status, ", ", second.status, ", then ", codeOf(c.exchange("mockserver", made.text("token")).short()))
			},
		},
		{
			row{"delete-other", "another account's token deleted", "404", hubDoc + unsure, ""},
			func(c *hubCaller) string {
				other := c.box.Accounts.Tokens("someone-else")[0].ID
				return codeOf(c.do(http.MethodDelete, tokens+"/"+other, c.session(), nil).short())
			},
		},
	}
}
