package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"purser/internal/realservers"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
)

// Where a registry's documented answer is written.
const (
	seenLive  = "recorded answers of Docker Hub"
	hubAPIDoc = "Docker's registry API document"
	tokenSpec = "token specification"
	spec      = "distribution specification"
)

// A registryPlace is a registry with its token service.
type registryPlace struct {
	http *http.Client
	url  string

	owner   string           // whose repositories these are
	known   string           // one of them, which anybody may see where the registry knows such
	foreign string           // another's, which nobody here may see
	push    realservers.User // may pull and push
	limited realservers.User // has fewer rights to known than push
	admin   realservers.User // may delete as well
	low     realservers.User // has a token for reading alone; no name: there are no such tokens
}

func registryArea() area[registryPlace] {
	return area[registryPlace]{
		name: "Registries and token services",
		about: "The suite asks in raw HTTP. The two registries of the distribution project have that project's token server in\n" +
			"front of them, and nginx reduces the rights of its accounts. The sandbox answers under Docker Hub's names. REPO stands for a\n" +
			"repository.",
		parts: []part[registryPlace]{
			{sandboxPart, sandboxRegistry},
			{"distribution 2.8", func(t *testing.T) registryPlace { t.Helper(); return realRegistry(t, realservers.Registry2(t)) }},
			{"distribution 3", func(t *testing.T) registryPlace { t.Helper(); return realRegistry(t, realservers.Registry3(t)) }},
		},
		questions: registryQuestions(tokenCases(), grantCases(), blobCases(), manifestCases()),
	}
}

func sandboxRegistry(t *testing.T) registryPlace {
	t.Helper()
	return placeIn(t, startSandbox(t))
}

// placeIn is Docker Hub's registry in a sandbox.
func placeIn(t *testing.T, s *sandbox.Sandbox) registryPlace {
	t.Helper()
	admin, err := s.Accounts.AddToken("mockserver", sandboxhub.Admin)
	if err != nil {
		t.Fatal(err)
	}
	return registryPlace{
		http: &http.Client{Transport: s.Transport()}, url: "https://registry-1.docker.io",
		owner: "mockserver", known: "mockserver/mockserver", foreign: "someone-else/private",
		push:    realservers.User{Name: "mockserver", Password: s.PushToken.Reveal()},
		limited: realservers.User{Name: "someone-else", Password: s.OtherToken.Reveal()},
		admin:   realservers.User{Name: "mockserver", Password: admin.Secret.Reveal()},
		low:     realservers.User{Name: "mockserver", Password: s.ReadOnlyToken.Reveal()},
	}
}

func realRegistry(t *testing.T, r *realservers.Registry) registryPlace {
	t.Helper()
	realservers.Seed(t, r, r.Repository)
	owner, _, _ := strings.Cut(r.Repository, "/")
	return registryPlace{
		http: r.HTTPClient(t), url: r.URL, owner: owner, known: r.Repository, foreign: r.Foreign, push: r.Push, limited: r.Pull, admin: r.Push,
	}
}

// A registryCase is a question to a registry, with a repository of its own.
type registryCase struct {
	row
	ask func(c *registryCaller) string
}

func registryQuestions(groups ...[]registryCase) []question[registryPlace] {
	var all []question[registryPlace]
	for _, c := range slices.Concat(groups...) {
		all = append(all, question[registryPlace]{c.row, func(t *testing.T, at registryPlace) string {
			t.Helper()
			return c.ask(&registryCaller{t, at, at.owner + "/" + c.id})
		}})
	}
	return all
}

// registryCaller sends the requests of one case.
type registryCaller struct {
	t    *testing.T
	at   registryPlace
	repo string
}

type registryReply struct {
	status int
	header http.Header
	body   []byte
}

// do sends a request. An address without a host is one of the registry.
func (c *registryCaller) do(method, address string, header map[string]string, body []byte) registryReply {
	c.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = c.at.url + address
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := c.at.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return registryReply{res.StatusCode, res.Header, answer}
}

// short is the status, and of an error the code or the words.
func (r registryReply) short() string {
	var failure struct {
		Errors  []struct{ Code string }
		Details string
	}
	answer := fmt.Sprint(r.status)
	if r.status < 400 || json.Unmarshal(r.body, &failure) != nil {
		return answer
	}
	if len(failure.Errors) > 0 {
		answer += " " + failure.Errors[0].Code
	}
	if failure.Details != "" {
		answer += ": " + failure.Details
	}
	return answer
}

var challengeForm = regexp.MustCompile(`(\w+)="([^"]*)"`)

// challenge are the parts of the WWW-Authenticate header.
func (r registryReply) challenge() map[string]string {
	parts := map[string]string{}
	for _, part := range challengeForm.FindAllStringSubmatch(r.header.Get("WWW-Authenticate"), -1) {
		parts[part[1]] = part[2]
	}
	return parts
}

// refused is an answer with what its challenge says of scope and error.
func (c *registryCaller) refused(r registryReply) string {
	answer := r.short()
	for _, name := range []string{"scope", "error"} {
		if value := r.challenge()[name]; value != "" {
			answer += ", " + name + " " + strings.ReplaceAll(inOrder(value), c.repo, "REPO")
		}
	}
	return answer
}

// inOrder sorts the actions of a scope, which distribution 2.8 names in any order.
func inOrder(scope string) string {
	cut := strings.LastIndex(scope, ":") + 1
	actions := strings.Split(scope[cut:], ",")
	slices.Sort(actions)
	return scope[:cut] + strings.Join(actions, ",")
}

// signIn asks the token service for scopes, as nobody where the user has no name.
func (c *registryCaller) signIn(u realservers.User, scopes ...string) registryReply {
	c.t.Helper()
	way := c.do(http.MethodGet, "/v2/", nil, nil).challenge()
	query := url.Values{"service": {way["service"]}, "scope": scopes}
	header := map[string]string{}
	if u.Name != "" {
		header["Authorization"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Name+":"+u.Password))
	}
	return c.do(http.MethodGet, way["realm"]+"?"+query.Encode(), header, nil)
}

// bearer is what a token service gave, in either of the two members.
func (r registryReply) bearer() string {
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	_ = json.Unmarshal(r.body, &answer) // an answer without a bearer has none
	return answer.Token + answer.AccessToken
}

// claims are those of the bearer.
func (r registryReply) claims() map[string]any {
	parts := strings.Split(r.bearer(), ".")
	if len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return nil
	}
	return claims
}

// granted is the status of a token service's answer, and what the bearer allows.
func (r registryReply) granted() string {
	if r.status != http.StatusOK {
		return r.short()
	}
	answer := "200"
	list, _ := r.claims()["access"].([]any)
	for _, entry := range list {
		object, _ := entry.(map[string]any)
		if actions := joined(object["actions"]); actions != "" {
			answer += " " + actions
		}
	}
	if answer == "200" {
		return "200 nothing"
	}
	return answer
}

// may is the header of a user's requests to the case's repository.
func (c *registryCaller) may(actions string) map[string]string {
	c.t.Helper()
	if strings.Contains(actions, "delete") {
		return c.mayOn(c.repo, c.at.admin, actions)
	}
	return c.mayOn(c.repo, c.at.push, actions)
}

func (c *registryCaller) mayOn(repo string, u realservers.User, actions string) map[string]string {
	c.t.Helper()
	got := c.signIn(u, "repository:"+repo+":"+actions)
	if got.bearer() == "" {
		c.t.Fatalf("before the question itself, the token service answers %s", got.short())
	}
	return map[string]string{"Authorization": "Bearer " + got.bearer()}
}

func digestOf(blob []byte) string {
	sum := sha256.Sum256(blob)
	return "sha256:" + hex.EncodeToString(sum[:])
}
