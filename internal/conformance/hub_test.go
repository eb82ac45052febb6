package conformance

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
)

// The sources of documented answers of Docker Hub's API.
const (
	hubDoc  = "Docker Hub API reference"
	hubCode = "the source of Docker's clients"
)

func hubArea() area[struct{}] {
	return area[struct{}]{
		name: "Docker Hub's API",
		about: "Nobody else has written a stand-in for it, so the suite asks only the sandbox. The account mockserver has a second\n" +
			"factor, and owns the organization acme.",
		parts:     []part[struct{}]{{sandboxPart, func(t *testing.T) struct{} { t.Helper(); return struct{}{} }}},
		questions: hubQuestions(signInCases(), tokenListCases(), tokenChangeCases(), organizationCases(), hubRestCases()),
	}
}

// A hubCase is a question to a fresh Docker Hub.
type hubCase struct {
	row
	ask func(c *hubCaller) string
}

func hubQuestions(groups ...[]hubCase) []question[struct{}] {
	var all []question[struct{}]
	for _, one := range slices.Concat(groups...) {
		all = append(all, question[struct{}]{one.row, func(t *testing.T, _ struct{}) string {
			t.Helper()
			return one.ask(newHubCaller(t))
		}})
	}
	return all
}

type hubCaller struct {
	t      *testing.T
	box    *sandbox.Sandbox
	http   *http.Client
	passed *atomic.Int64 // added to the sandbox's clock
}

func newHubCaller(t *testing.T) *hubCaller {
	t.Helper()
	var passed atomic.Int64
	box, err := sandbox.Start(context.WithoutCancel(t.Context()), sandbox.Options{
		Now: func() time.Time { return time.Now().Add(time.Duration(passed.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Errorf("close the sandbox: %v", err)
		}
	})
	box.Accounts.AddOrganization("acme", sandboxhub.Organization{Owners: []string{"mockserver"}})
	box.Accounts.AddRepository("acme/app", "acme", false)
	return &hubCaller{t, box, &http.Client{Transport: box.Transport()}, &passed}
}

type hubReply struct {
	status int
	header http.Header
	body   members
	raw    string
}

// do sends a request with a bearer and a JSON body.
func (c *hubCaller) do(method, path, bearer string, in any) hubReply {
	c.t.Helper()
	var body bytes.Buffer
	if in != nil {
		if err := json.NewEncoder(&body).Encode(in); err != nil {
			c.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, "https://hub.docker.com"+path, &body)
	if err != nil {
		c.t.Fatal(err)
	}
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	reply := hubReply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &reply.body) // an answer without a body has no members
	return reply
}

func (r hubReply) text(member string) string {
	text, _ := r.body[member].(string)
	return text
}

// short returns the status, and an error's first explanation.
func (r hubReply) short() string {
	if r.status < 400 {
		return fmt.Sprint(r.status)
	}
	for _, member := range []string{"message", "detail", "text"} {
		if why := r.text(member); why != "" {
			return fmt.Sprintf("%d: %s", r.status, why)
		}
	}
	return fmt.Sprint(r.status)
}

// named returns the status and the names of the members.
func (r hubReply) named() string {
	return strings.TrimSpace(fmt.Sprint(r.status, " ", strings.Join(slices.Sorted(maps.Keys(r.body)), " ")))
}

func (r hubReply) results() []hubReply {
	list, _ := r.body["results"].([]any)
	var all []hubReply
	for _, one := range list {
		object, _ := one.(map[string]any)
		all = append(all, hubReply{status: r.status, body: object})
	}
	return all
}

// exchange is POST /v2/auth/token.
func (c *hubCaller) exchange(identifier, secret string) hubReply {
	c.t.Helper()
	return c.do(http.MethodPost, "/v2/auth/token", "", members{"identifier": identifier, "secret": secret})
}

// bearer exchanges a secret.
func (c *hubCaller) bearer(identifier, secret string) string {
	c.t.Helper()
	r := c.exchange(identifier, secret)
	if r.text("access_token") == "" {
		c.t.Fatalf("setup: the exchange answered %s", r.short())
	}
	return r.text("access_token")
}

// secondFactor signs mockserver in with its password and a code.
func (c *hubCaller) secondFactor(code string) hubReply {
	c.t.Helper()
	first := c.exchange("mockserver", c.box.Password.Reveal())
	return c.do(http.MethodPost, "/v2/users/2fa-login", "", members{"login_2fa_token": first.text("login_2fa_token"), "code": code})
}

// session returns mockserver's bearer that may manage tokens.
func (c *hubCaller) session() string {
	c.t.Helper()
	r := c.secondFactor(sandboxhub.DefaultCode)
	if r.text("token") == "" {
		c.t.Fatalf("setup: the second factor answered %s", r.short())
	}
	return r.text("token")
}

// mint makes a personal token.
func (c *hubCaller) mint(session, label string) hubReply {
	c.t.Helper()
	return c.do(http.MethodPost, "/v2/access-tokens", session, members{"token_label": label, "scopes": []string{"repo:write"}})
}

// pass advances the sandbox's clock.
func (c *hubCaller) pass(d time.Duration) { c.passed.Add(int64(d)) }

func claimsOf(bearer string) members {
	parts := strings.Split(bearer, ".")
	if len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims members
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return nil
	}
	return claims
}
