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

// Where an answer of Docker Hub's API is written.
const (
	hubDoc  = "Docker Hub API reference"
	hubCode = "the code of Docker's clients"
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

// A hubCase is a question to a Docker Hub of its own.
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
	passed *atomic.Int64 // since the sandbox's clock was right
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

// do sends a request with a bearer, and a body that is encoded.
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

// short is the status, and of an error the first of the members that tell why.
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

// named is the status with the names of the members.
func (r hubReply) named() string {
	return strings.TrimSpace(fmt.Sprint(r.status, " ", strings.Join(slices.Sorted(maps.Keys(r.body)), " ")))
}

// results are the objects of a list.
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

// bearer is what a secret is exchanged for.
func (c *hubCaller) bearer(identifier, secret string) string {
	c.t.Helper()
	r := c.exchange(identifier, secret)
	if r.text("access_token") == "" {
		c.t.Fatalf("before the question itself, the exchange answers %s", r.short())
	}
	return r.text("access_token")
}

// secondFactor signs mockserver in with its password and a code.
func (c *hubCaller) secondFactor(code string) hubReply {
	c.t.Helper()
	first := c.exchange("mockserver", c.box.Password.Reveal())
	return c.do(http.MethodPost, "/v2/users/2fa-login", "", members{"login_2fa_token": first.text("login_2fa_token"), "code": code})
}

// session is a bearer of mockserver that may manage tokens.
func (c *hubCaller) session() string {
	c.t.Helper()
	r := c.secondFactor(sandboxhub.DefaultCode)
	if r.text("token") == "" {
		c.t.Fatalf("before the question itself, the second factor answers %s", r.short())
	}
	return r.text("token")
}

// mint makes a personal token.
func (c *hubCaller) mint(session, label string) hubReply {
	c.t.Helper()
	return c.do(http.MethodPost, "/v2/access-tokens", session, members{"token_label": label, "scopes": []string{"repo:write"}})
}

// pass moves the sandbox's clock.
func (c *hubCaller) pass(d time.Duration) { c.passed.Add(int64(d)) }

// claimsOf are those of a bearer.
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
