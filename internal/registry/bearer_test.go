package registry_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
	sandboxregistry "purser/internal/sandbox/registry"
)

// tokenService is a registry and its token service. It issues a bearer with these claims or, without any,
// an opaque one, and answers the question whether it works with answer.
type tokenService struct {
	*httptest.Server
	claims, more string // JSON
	answer       http.HandlerFunc
	heard        []string // who got which header
}

const opaqueBearer = "FAKEopaqueFAKEopaqueFAKE"

func (s *tokenService) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	with, _, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	s.heard = append(s.heard, req.Method+" "+req.URL.Path+" "+with+" "+req.URL.Query().Get("scope"))
	switch {
	case req.URL.Path == "/token":
		bearer := opaqueBearer
		if s.claims != "" {
			bearer = "e30." + base64.RawURLEncoding.EncodeToString([]byte(s.claims)) + ".RkFLRQ"
		}
		_, _ = fmt.Fprintf(w, `{"token":%q%s}`, bearer, s.more)
	case with == "Bearer" && s.answer != nil:
		s.answer(w, req)
	case with == "Bearer":
		_, _ = fmt.Fprint(w, `{"name":"team/app","tags":null}`)
	default:
		s.challenge(w)
	}
}

func (s *tokenService) challenge(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="FAKE"`)
	w.WriteHeader(http.StatusUnauthorized)
}

func (s *tokenService) start(t *testing.T) *tokenService {
	t.Helper()
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *tokenService) issue(t *testing.T) (credential.Bearer, error) {
	t.Helper()
	c := credential.Credential{Name: "app", Registry: credential.Host(strings.TrimPrefix(s.URL, "http://")), Username: "team", Access: credential.Push, Repositories: []credential.Repository{"team/app", "team/other"}}
	client := registry.New(registry.Config{Now: func() time.Time { return time.Unix(1000, 0) }})
	return client.Issue(t.Context(), c, credential.Login{Username: "team", Token: credential.NewSecret("FAKEtokenFAKEtokenFAKE")})
}

func TestABearersLifeIsWhatTheRegistrySays(t *testing.T) {
	const access = `"access":[]`
	for name, c := range map[string]struct {
		claims, more string
		want         time.Duration // without the leeway; 0: it does not say
	}{
		"it says so beside the bearer":            {"", `,"expires_in":300`, 5 * time.Minute},
		"the claims say so":                       {`{"iat":50,"exp":950,` + access + `}`, "", 15 * time.Minute},
		"the claims have no beginning":            {`{"exp":1600,` + access + `}`, "", 10 * time.Minute},
		"both say so, and the later counts":       {`{"iat":100,"exp":700,` + access + `}`, `,"expires_in":60`, 10 * time.Minute},
		"a registry gives a day":                  {"", `,"expires_in":86400`, 24 * time.Hour},
		"neither says so":                         {`{` + access + `}`, "", time.Minute},
		"it says less than the specification has": {"", `,"expires_in":1`, time.Minute},
		"an opaque bearer, and nobody says":       {"", "", 0},
		"a text instead of a number":              {"", `,"expires_in":"300"`, 0},
		"a negative number":                       {"", `,"expires_in":-5`, 0},
		"a time that nobody lives to see":         {"", `,"expires_in":1e300`, 0},
		"an end in the year 9999999":              {`{"iat":0,"exp":315537897599999,` + access + `}`, "", 0},
		"claims of the wrong type":                {`{"iat":"0","exp":[1],` + access + `}`, `,"expires_in":120`, 2 * time.Minute},
		"an end before its beginning":             {`{"iat":900,"exp":100,` + access + `}`, "", time.Minute},
	} {
		s := (&tokenService{claims: c.claims, more: c.more}).start(t)
		b, err := s.issue(t)
		if c.want > 0 {
			c.want += time.Minute
		}
		if err != nil || b.Life != c.want {
			t.Errorf("%s: %v, %v; want %v", name, b.Life, err, c.want)
		}
	}
}

func TestOnlyARegistrysOwnAnswerSaysWhetherABearerWorks(t *testing.T) {
	s, trap := &tokenService{}, nobody(t)
	say := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if name, value, ok := strings.Cut(header, ": "); ok {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, body)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   credential.Verdict
	}{
		"a list of tags":                {nil, credential.Granted},
		"no such repository":            {say(http.StatusNotFound, "", `{"errors":[{"code":"NAME_UNKNOWN"}]}`), credential.Granted},
		"a challenge":                   {func(w http.ResponseWriter, _ *http.Request) { s.challenge(w) }, credential.Refused},
		"401 without a challenge":       {say(http.StatusUnauthorized, "", "sign in"), credential.Unknown},
		"401 that repeats the bearer":   {say(http.StatusUnauthorized, "", opaqueBearer), credential.Unknown},
		"403":                           {say(http.StatusForbidden, "", `{"errors":[{"code":"DENIED"}]}`), credential.Unknown},
		"429":                           {say(http.StatusTooManyRequests, "Retry-After: 30", opaqueBearer), credential.Unknown},
		"503":                           {say(http.StatusServiceUnavailable, "", ""), credential.Unknown},
		"a page":                        {say(http.StatusOK, "Content-Type: text/html", "<p>Sign in</p>"), credential.Unknown},
		"a page that does not exist":    {say(http.StatusNotFound, "Content-Type: text/html", "<p>Not found</p>"), credential.Unknown},
		"a redirect to somebody else's": {say(http.StatusTemporaryRedirect, "Location: "+trap.URL, ""), credential.Unknown},
		"no answer":                     {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, credential.Unknown},
	} {
		s = (&tokenService{answer: c.answer}).start(t)
		b, err := s.issue(t)
		if err != nil {
			t.Fatal(err)
		}
		v, err := b.Accepted(t.Context())
		if v != c.want || (err != nil) != (v == credential.Unknown) || strings.Contains(fmt.Sprint(err), opaqueBearer) {
			t.Errorf("%s: %v %v", name, v, err)
		}
	}
}

func TestARegistryThatLetsAnyoneReadSaysNothingOfABearer(t *testing.T) {
	s := (&tokenService{}).start(t)
	b, err := s.issue(t)
	if err != nil {
		t.Fatal(err)
	}
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"tags":[]}`) })
	if v, err := b.Accepted(t.Context()); v != credential.Unknown || credential.ReasonOf(err) != credential.ProofEmpty {
		t.Errorf("%v %v", v, err)
	}
}

// TestABearerIsAskedForWithTheLeastRights also shows that only the registry gets the bearer, and only its
// token service the token.
func TestABearerIsAskedForWithTheLeastRights(t *testing.T) {
	s := (&tokenService{}).start(t)
	b, err := s.issue(t)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if v, err := b.Accepted(t.Context()); v != credential.Granted {
			t.Fatal(v, err)
		}
	}
	want := []string{
		"GET /v2/  ", "GET /token Basic repository:team/app:pull",
		"GET /v2/team/app/tags/list Bearer ", "GET /v2/team/app/tags/list  ", // the second without credentials
		"GET /v2/team/app/tags/list Bearer ",
	}
	if got := strings.Join(s.heard, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("it asked\n%s", got)
	}
}

func TestNoBearerIsTakenWhereATokenDoesNotBelong(t *testing.T) {
	h := newHub(t)
	c := credential.Credential{Name: "app", Registry: "ghcr.io", Username: "mockserver", Access: credential.Push, Repositories: []credential.Repository{"mock-server/app"}}
	_, err := h.client.Issue(t.Context(), c, credential.Login{Username: "mockserver", Token: h.box.PushToken})
	if asked := h.box.Registry("ghcr.io").Requests(); credential.ReasonOf(err) != credential.BelongsElsewhere || len(asked) > 0 {
		t.Errorf("%v, asked %v", err, asked)
	}
}

// TestABearerOutlivesItsTokenAtDockerHub moves the clock until the bearer ends.
func TestABearerOutlivesItsTokenAtDockerHub(t *testing.T) {
	now := time.Now()
	box, err := sandbox.Start(t.Context(), sandbox.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	client := registry.New(registry.Config{Transport: box.Transport(), Now: func() time.Time { return now }})
	c := credential.Credential{Name: "dockerhub", Registry: "docker.io", Username: "mockserver", Access: credential.Push, Repositories: []credential.Repository{"mockserver/second"}}
	login := credential.Login{Username: "mockserver", Token: box.PushToken}
	b, err := client.Issue(t.Context(), c, login)
	if err != nil || b.Life != 6*time.Minute {
		t.Fatal(b.Life, err)
	}
	box.Accounts.Revoke(box.PushToken)
	if _, err := client.Issue(t.Context(), c, login); credential.ReasonOf(err) != credential.TokenRefused {
		t.Errorf("the token was revoked, and: %v", err)
	}
	for _, step := range []struct {
		after time.Duration
		want  credential.Verdict
	}{{0, credential.Granted}, {5 * time.Minute, credential.Granted}, {50 * time.Second, credential.Granted}, {15 * time.Second, credential.Refused}} {
		now = now.Add(step.after)
		if v, err := b.Accepted(t.Context()); v != step.want || err != nil {
			t.Errorf("%v later: %v %v", step.after, v, err)
		}
	}
}

// TestABearerWithoutClaimsEndsToo asks a registry that says nothing about its bearers, as GHCR.
func TestABearerWithoutClaimsEndsToo(t *testing.T) {
	for _, life := range []time.Duration{0, 24 * time.Hour} {
		now := time.Now()
		accounts := sandboxhub.NewAccounts(func() time.Time { return now }, rand.Reader)
		accounts.AddAccount("team", credential.NewSecret("FAKE-password"), false)
		accounts.AddRepository("team/app", "team", false)
		server := httptest.NewServer(nil)
		t.Cleanup(server.Close)
		r, err := sandboxregistry.New(sandboxregistry.Config{
			Auth: sandboxregistry.AuthOpaque, Realm: server.URL + "/token", Service: "FAKE", Accounts: accounts, Now: func() time.Time { return now }, Random: rand.Reader, BearerLife: life,
		})
		if err != nil {
			t.Fatal(err)
		}
		server.Config.Handler = r
		c := credential.Credential{Name: "app", Registry: credential.Host(strings.TrimPrefix(server.URL, "http://")), Username: "team", Access: credential.Push, Repositories: []credential.Repository{"team/app"}}
		b, err := registry.New(registry.Config{}).Issue(t.Context(), c, credential.Login{Username: "team", Token: credential.NewSecret("FAKE-password")})
		if err != nil || b.Life != 0 {
			t.Fatal(b.Life, err)
		}
		for _, step := range []struct {
			after time.Duration
			want  credential.Verdict
		}{{0, credential.Granted}, {cmp.Or(life, 5*time.Minute) - time.Second, credential.Granted}, {time.Second, credential.Refused}} {
			now = now.Add(step.after)
			if v, err := b.Accepted(t.Context()); v != step.want || err != nil {
				t.Errorf("a life of %v, %v later: %v %v", life, step.after, v, err)
			}
		}
	}
}

// TestABearerOutlivesItsToken asks other people's registries, and the stand-in: they go on accepting the
// bearer of a user who is gone.
func TestABearerOutlivesItsToken(t *testing.T) {
	for name, start := range registries {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			c := credential.Credential{Name: "app", Registry: credential.Host(r.Host), Username: r.Push.Name, Access: credential.Push, Repositories: []credential.Repository{credential.Repository(r.Repository)}}
			client, login := clientFor(t, r), credential.Login{Username: r.Push.Name, Token: credential.NewSecret(r.Push.Password)}
			b, err := client.Issue(t.Context(), c, login)
			if err != nil {
				t.Fatal(err)
			}
			if b.Accepted == nil {
				if !strings.Contains(name, "Basic") {
					t.Error("it issues no bearers")
				}
				return
			}
			if v, err := b.Accepted(t.Context()); v != credential.Granted {
				t.Fatal(v, err)
			}
			if r.End == nil {
				t.Fatal("the test cannot end the token")
			}
			r.End(t)
			if _, err := client.Issue(context.WithoutCancel(t.Context()), c, login); credential.ReasonOf(err) != credential.TokenRefused {
				t.Errorf("the token has ended, and: %v", err)
			}
			if v, err := b.Accepted(t.Context()); v != credential.Granted || (b.Life == 0) != strings.Contains(name, "opaque") {
				t.Errorf("the bearer of an ended token: %v %v, %v", v, err, b.Life)
			}
		})
	}
}
