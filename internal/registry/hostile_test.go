package registry_test

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
	sandboxregistry "purser/internal/sandbox/registry"
)

// hub is a Docker Hub stand-in and its client.
type hub struct {
	*testing.T
	box    *sandbox.Sandbox
	client *registry.Client
}

func newHub(t *testing.T) hub {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	noWait := func(context.Context, time.Duration) error { return nil }
	return hub{t, box, registry.New(registry.Config{Transport: box.Transport(), Timeout: 2 * time.Second, Wait: noWait})}
}

func (h hub) prove(token credential.Secret, change func(*credential.Credential)) credential.Proof {
	h.Helper()
	c := credential.Credential{
		Name: "dockerhub", Registry: "docker.io", Username: "mockserver", Access: credential.Push,
		Repositories: []credential.Repository{"mockserver/mockserver"},
	}
	if change != nil {
		change(&c)
	}
	return h.client.Prove(h.Context(), c, credential.Login{Username: c.Username, Token: token}, false)
}

func TestProofsAtDockerHub(t *testing.T) {
	h := newHub(t)
	admin, err := h.box.Accounts.AddToken("mockserver", sandboxhub.Admin)
	if err != nil {
		t.Fatal(err)
	}
	pull := func(c *credential.Credential) { c.Access = credential.Pull }
	for name, c := range map[string]struct {
		token   credential.Secret
		change  func(*credential.Credential)
		verdict credential.Verdict
		reason  credential.Reason
		excess  string
	}{
		"read & write":             {h.box.PushToken, nil, credential.Granted, "", ""},
		"without a named account":  {h.box.PushToken, func(c *credential.Credential) { c.Username = "" }, credential.Granted, "", ""},
		"an upper-case account":    {h.box.PushToken, func(c *credential.Credential) { c.Username = "MockServer" }, credential.Granted, "", ""},
		"a private repository":     {h.box.PushToken, func(c *credential.Credential) { c.Repositories = []credential.Repository{"mockserver/second"} }, credential.Granted, "", ""},
		"administrator":            {admin.Secret, nil, credential.Granted, "", "delete images"},
		"read-only for pushing":    {h.box.ReadOnlyToken, nil, credential.Refused, credential.LevelTooLow, ""},
		"read-only for pulling":    {h.box.ReadOnlyToken, pull, credential.Granted, "", ""},
		"read & write for pulling": {h.box.PushToken, pull, credential.Granted, "", "it may push"},
		"public, for pulling":      {h.box.ReadOnlyToken, func(c *credential.Credential) { pull(c); c.Repositories = []credential.Repository{"library/alpine"} }, credential.Granted, "", ""},
		"another account's":        {h.box.OtherToken, nil, credential.Refused, credential.WrongOwner, ""},
		"another's public one":     {h.box.PushToken, func(c *credential.Credential) { c.Repositories = []credential.Repository{"library/alpine"} }, credential.Refused, credential.NotPermitted, ""},
		"another's private one":    {h.box.PushToken, func(c *credential.Credential) { c.Repositories = []credential.Repository{"someone-else/private"} }, credential.Refused, credential.RepositoryMissing, ""},
		"a missing repository":     {h.box.PushToken, func(c *credential.Credential) { c.Repositories = []credential.Repository{"mockserver/none"} }, credential.Refused, credential.RepositoryMissing, ""},
		"revoked":                  {h.box.RevokedToken, nil, credential.Refused, credential.TokenRefused, ""},
		"the password":             {h.box.Password, nil, credential.Refused, credential.NeedsToken, ""},
	} {
		p := h.prove(c.token, c.change)
		if p.Verdict != c.verdict || c.reason != "" && (p.Fault == nil || p.Fault.Reason != c.reason) {
			t.Errorf("%s: %v %v, want %v %s", name, p.Verdict, p.Fault, c.verdict, c.reason)
		}
		if got := strings.Join(p.Excess, "; "); !strings.Contains(got, c.excess) || c.excess == "" && got != "" {
			t.Errorf("%s: excess %q, want %q", name, got, c.excess)
		}
		if p.Verdict == credential.Granted && p.Owner != "mockserver" {
			t.Errorf("%s: the owner is %q", name, p.Owner)
		}
	}
}

func TestPushIsNeverRequestedForAMissingRepository(t *testing.T) {
	h := newHub(t)
	h.prove(h.box.PushToken, func(c *credential.Credential) { c.Repositories = []credential.Repository{"mockserver/none"} })
	for _, asked := range h.box.HubRegistry.Requests() {
		if strings.Contains(asked, "push") || strings.HasPrefix(asked, "POST") {
			t.Errorf("asked %s", asked)
		}
	}
}

func TestAProofNeverAsksDockerHubForDelete(t *testing.T) {
	h := newHub(t)
	h.prove(h.box.PushToken, nil)
	for _, asked := range h.box.HubRegistry.Requests() {
		if strings.Contains(asked, "delete") {
			t.Errorf("asked %s", asked)
		}
	}
}

func TestTheUploadIsCancelled(t *testing.T) {
	h := newHub(t)
	if p := h.prove(h.box.PushToken, nil); p.Verdict != credential.Granted || p.Repositories[0].Upload != credential.UploadLeft {
		t.Fatalf("%v %v %v", p.Verdict, p.Repositories, p.Fault)
	}
	seen := strings.Join(h.box.HubRegistry.Requests(), "\n")
	if !strings.Contains(seen, "DELETE /v2/mockserver/mockserver/blobs/uploads/") {
		t.Errorf("no cancel was sent:\n%s", seen)
	}
}

func TestAWrongTokenIsSentOnlyOnce(t *testing.T) {
	h := newHub(t)
	h.prove(h.box.RevokedToken, nil)
	if n := len(h.box.HubRegistry.Requests()); n != 0 {
		t.Errorf("after the exchange refused it, the registry was asked %d times", n)
	}
}

// TestWhatSaysNothingAboutTheTokenIsUnknown checks that nothing short of a refusal gives a verdict about
// the token.
func TestWhatSaysNothingAboutTheTokenIsUnknown(t *testing.T) {
	echo := sandbox.Fault{Echo: true, Times: -1}
	faults := map[string]sandbox.Fault{
		"cut": {}, "500": {Status: 500}, "503": {Status: 503, Body: "<html>"}, "429": {Status: 429, Header: http.Header{"Retry-After": {"120"}}},
		"a page": {HTML: true}, "hangs": {Hang: true}, "floods": {Flood: true}, "repeats the secret": echo,
		"repeats it in a 200": {Echo: true, Status: 200}, "redirects": {Status: 307, Header: http.Header{"Location": {"https://elsewhere.example/"}}},
		"truncated JSON": {Status: 200, Body: `{"token": "ey`}, "JSON of the wrong type": {Status: 200, Body: `{"token": {"a": []}, "access_token": 1}`},
		"null": {Status: 200, Body: "null"}, "terminal escapes": {Status: 500, Body: `{"message":"\u001b[2J\u001b]0;owned\u0007"}`},
	}
	for name, fault := range faults {
		fault.Times = -1
		for _, at := range []string{"exchange", "ping", "token", "tags", "upload"} {
			if at == "ping" && fault.Status == 200 || at == "upload" && fault.Status == 200 {
				continue // 200 is a valid answer there, or the status of success
			}
			t.Run(name+" at "+at, func(t *testing.T) {
				t.Parallel()
				h := newHub(t)
				if at == "exchange" {
					h.box.Hub.Fault(at, fault)
				} else {
					h.box.HubRegistry.Fault(at, fault)
				}
				p := h.prove(h.box.PushToken, nil)
				if p.Verdict != credential.Unknown || p.Fault == nil {
					t.Fatalf("verdict %v, %v", p.Verdict, p.Fault)
				}
				quiet(t, p, h.box.PushToken)
				if fault.Status == 429 && p.Fault.Wait != 2*time.Minute {
					t.Errorf("wait %v, want 2m", p.Fault.Wait)
				}
			})
		}
	}
}

// quiet checks that a proof's text does not show the token and is fit for a terminal.
func quiet(t *testing.T, p credential.Proof, token credential.Secret) {
	t.Helper()
	text := p.Fault.Error() + strings.Join(p.Notes, "") + strings.Join(p.Excess, "")
	if credential.Shows(text, token) {
		t.Error("the fault shows the token")
	}
	if strings.ContainsAny(text, "\x1b\x07\n") || len(text) > 600 {
		t.Errorf("the fault is not fit to be shown: %q", text)
	}
}

// nobody is a server that must not be called.
func nobody(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s was called, with Authorization: %v", r.Method, r.URL.Path, r.Header.Get("Authorization") != "")
	}))
	t.Cleanup(s.Close)
	return s
}

// atLoopback proves a login at a registry on loopback, implemented by a handler.
func atLoopback(t *testing.T, h http.Handler) (credential.Proof, credential.Secret) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	token := credential.NewSecret("FAKE-token-" + rand.Text())
	c := credential.Credential{
		Registry: credential.Host(s.Listener.Addr().String()), Username: "ci", Access: credential.Push, Repositories: []credential.Repository{"team/app"},
	}
	return registry.New(registry.Config{}).Prove(t.Context(), c, credential.Login{Username: "ci", Token: token}, false), token
}

func TestATokenDoesNotFollowARedirect(t *testing.T) {
	trap := nobody(t)
	for _, at := range []string{"/v2/", "/token", "/v2/team/app/tags/list", "/v2/team/app/blobs/uploads/"} {
		p, token := atLoopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == at {
				http.Redirect(w, r, trap.URL+"/stolen", http.StatusTemporaryRedirect)
				return
			}
			playRegistry(w, r)
		}))
		if p.Verdict != credential.Unknown || p.Fault.Reason != credential.RegistryUnsafe {
			t.Errorf("redirect at %s: %v %v", at, p.Verdict, p.Fault)
		}
		quiet(t, p, token)
	}
}

// playRegistry is a minimal registry with bearer tokens.
func playRegistry(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/token":
		_, _ = w.Write([]byte(`{"token":"opaque"}`))
	case r.Header.Get("Authorization") == "":
		w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+r.Host+`/token",service="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	case strings.HasSuffix(r.URL.Path, "/tags/list"):
		_, _ = w.Write([]byte(`{"name":"team/app","tags":null}`))
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

func TestATokenServiceOutsideLoopbackIsNotAsked(t *testing.T) {
	for _, realm := range []string{"https://auth.example.com/token", "http://auth.example.com/token", "https://127.0.0.1.example.com/token", "javascript:alert(1)"} {
		p, token := atLoopback(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}))
		if p.Verdict != credential.Unknown || p.Fault.Reason != credential.RegistryUnsafe {
			t.Errorf("%s: %v %v", realm, p.Verdict, p.Fault)
		}
		quiet(t, p, token)
	}
}

func TestAnUploadElsewhereIsNotCancelledThere(t *testing.T) {
	trap := nobody(t)
	var anonymous atomic.Bool
	p, _ := atLoopback(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" && r.Header.Get("Authorization") == "" {
			anonymous.Store(true)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if r.Method == http.MethodPost && r.Header.Get("Authorization") != "" {
			w.Header().Set("Location", trap.URL+"/v2/team/app/blobs/uploads/1")
		}
		playRegistry(w, r)
	}))
	if p.Verdict != credential.Granted || p.Repositories[0].Upload != credential.UploadLeft || !anonymous.Load() {
		t.Errorf("%v %v %v", p.Verdict, p.Repositories, p.Fault)
	}
}

func TestARegistryThatLetsAnybodyPushProvesNothing(t *testing.T) {
	open := standIn(sandboxregistry.Config{Auth: sandboxregistry.AuthOpen})(t)
	p := prove(t, registry.New(registry.Config{}), open, open.Push, open.Repository, credential.Push, false)
	if p.Verdict != credential.Unknown || p.Fault.Reason != credential.ProofEmpty {
		t.Errorf("an open registry: %v %v", p.Verdict, p.Fault)
	}
	generous, _ := atLoopback(t, http.HandlerFunc(playRegistry)) // its token service also grants push anonymously
	if generous.Verdict != credential.Unknown || generous.Fault.Reason != credential.ProofEmpty {
		t.Errorf("a registry that grants push anonymously: %v %v", generous.Verdict, generous.Fault)
	}
}

func TestPlainHTTPIsForLoopbackOnly(t *testing.T) {
	sent := false
	transport := roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = sent || r.URL.Scheme == "http"
		return nil, http.ErrSchemeMismatch
	})
	c := credential.Credential{Registry: "registry.example.com", Username: "ci", Access: credential.Push, Repositories: []credential.Repository{"team/app"}}
	p := registry.New(registry.Config{Transport: transport}).Prove(t.Context(), c, credential.Login{Username: "ci", Token: credential.NewSecret("FAKE-token-FAKE")}, false)
	if sent || p.Verdict != credential.Unknown || !strings.Contains(p.Fault.Why, "plain http") {
		t.Errorf("sent over http: %v; %v %v", sent, p.Verdict, p.Fault)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Some registries recognize a bearer a moment after their token service issued it.
func TestAFreshBearerIsRetriedOnce(t *testing.T) {
	h := newHub(t)
	h.box.HubRegistry.Fault("upload", sandbox.Fault{Status: http.StatusUnauthorized, Times: 1})
	if p := h.prove(h.box.PushToken, nil); p.Verdict != credential.Granted {
		t.Errorf("%v %v", p.Verdict, p.Fault)
	}
}

func TestASilentRegistryTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		began := time.Now()
		c := credential.Credential{Registry: "registry.example.com", Username: "ci", Access: credential.Push, Repositories: []credential.Repository{"team/app"}}
		p := registry.New(registry.Config{Transport: silent}).Prove(t.Context(), c, credential.Login{Username: "ci", Token: credential.NewSecret("FAKE-token-FAKE")}, false)
		if p.Verdict != credential.Unknown || p.Fault.Reason != credential.RegistryUnreachable || time.Since(began) > time.Minute {
			t.Errorf("%v %v after %v", p.Verdict, p.Fault, time.Since(began))
		}
	})
}

func TestARefusedConnectionIsExplained(t *testing.T) {
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	c := credential.Credential{Registry: credential.Host(address), Username: "ci", Access: credential.Push, Repositories: []credential.Repository{"team/app"}}
	p := registry.New(registry.Config{}).Prove(t.Context(), c, credential.Login{Username: "ci", Token: credential.NewSecret("FAKE-token-FAKE")}, false)
	if p.Verdict != credential.Unknown || p.Fault.Reason != credential.RegistryUnreachable || !strings.Contains(p.Fault.Why, "refused") {
		t.Errorf("%v %v", p.Verdict, p.Fault)
	}
}
