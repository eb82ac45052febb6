package dockerhub_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/registry/dockerhub"
	"purser/internal/sandbox"
	sandboxhub "purser/internal/sandbox/hub"
	_ "purser/internal/wire/kinds"
)

// hubBench is a Docker Hub stand-in and its client.
type hubBench struct {
	*testing.T
	box    *sandbox.Sandbox
	client *registry.Client
	waited []time.Duration
}

func newHubBench(t *testing.T) *hubBench {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	h := &hubBench{T: t, box: box}
	h.client = registry.New(registry.Config{Transport: box.Transport(), Wait: func(_ context.Context, d time.Duration) error {
		h.waited = append(h.waited, d)
		return nil
	}})
	box.Accounts.AddOrganization("acme", sandboxhub.Organization{Owners: []string{"mockserver"}})
	box.Accounts.AddRepository("acme/app", "acme", false)
	return h
}

var accounts = dockerhub.Kind().Accounts

// account returns an account with a session like a browser sign-in's.
func (h *hubBench) account(name string) registry.Account {
	h.Helper()
	bearer, err := h.box.Hub.Session("mockserver", time.Hour)
	if err != nil {
		h.Fatal(err)
	}
	s, err := accounts.Session(h.client, bearer, name)
	if err != nil {
		h.Fatal(err)
	}
	return s
}

// is checks an error's reason, and that its text shows no secret.
func (h *hubBench) is(what string, err error, reason credential.Reason) {
	h.Helper()
	if credential.ReasonOf(err) != reason {
		h.Errorf("%s: %v (%s), want %s", what, err, credential.ReasonOf(err), reason)
	}
	if err == nil {
		return
	}
	for _, t := range append(h.box.Accounts.Tokens("mockserver"), h.box.Accounts.Tokens("acme")...) {
		if credential.Shows(err.Error(), t.Secret) {
			h.Errorf("%s shows a token", what)
		}
	}
	if credential.Shows(err.Error(), h.box.Password) {
		h.Errorf("%s shows the password", what)
	}
}

var push = credential.MintRequest{Label: "purser/dockerhub/purser-01936f5e-0000-7000-8000-000000000001", Access: credential.Push}

func TestSignInWithASecondFactor(t *testing.T) {
	code := func(codes ...string) (registry.SecondFactor, *int) {
		asked := 0
		return func(_ context.Context, again bool) (credential.Secret, error) {
			if again != (asked > 0) {
				t.Errorf("request %d for a code has again=%t", asked+1, again)
			}
			asked++
			return credential.NewSecret(codes[min(asked, len(codes))-1]), nil
		}, &asked
	}
	h := newHubBench(t)
	right, _ := code(sandboxhub.DefaultCode)
	s, err := accounts.SignIn(t.Context(), h.client, "mockserver", h.box.Password, right, "")
	if err != nil || s.Person() != "mockserver" || !s.Expires().After(time.Now()) || strings.Contains(fmt.Sprintf("%v %+v %#v", s, s, s), "eyJ") {
		t.Fatalf("%v %v", s, err)
	}
	if _, _, err := s.Tokens(t.Context()); err != nil {
		t.Errorf("the session cannot list tokens: %v", err)
	}
	second, asked := code("000000", sandboxhub.DefaultCode)
	if _, err := accounts.SignIn(t.Context(), h.client, "mockserver", h.box.Password, second, ""); err != nil || *asked != 2 {
		t.Errorf("a code mistyped once: %v after %d", err, *asked)
	}
	wrong, asked := code("000000")
	_, err = accounts.SignIn(t.Context(), h.client, "mockserver", h.box.Password, wrong, "")
	h.is("a wrong second factor", err, credential.SignInRefused)
	if *asked != 3 {
		t.Errorf("asked for a code %d times", *asked)
	}
	for name, fault := range map[string]sandbox.Fault{
		"an echo": {Echo: true}, "an echo with 429": {Echo: true, Status: http.StatusTooManyRequests},
		"an echo with a redirect": {Echo: true, Status: http.StatusFound},
	} {
		h.box.Hub.Fault("second-factor", fault)
		right, _ := code(sandboxhub.DefaultCode)
		_, err := accounts.SignIn(t.Context(), h.client, "mockserver", h.box.Password, right, "")
		if err == nil || strings.Contains(err.Error(), sandboxhub.DefaultCode) || strings.Contains(err.Error(), "second-factor-") {
			t.Errorf("%s after the second factor: %v", name, err)
		}
	}
	declined := errors.New("no")
	_, err = accounts.SignIn(t.Context(), h.client, "mockserver", h.box.Password, func(context.Context, bool) (credential.Secret, error) { return credential.Secret{}, declined }, "")
	if !errors.Is(err, declined) {
		t.Errorf("declined: %v", err)
	}
}

func TestAFailedSignInHasAReason(t *testing.T) {
	h := newHubBench(t)
	h.box.Accounts.AddAccount("company", credential.NewSecret("FAKE-3x7Q9z-pass"), false)
	h.box.Accounts.EnforceSSO("company")
	h.box.Accounts.AddAccount("plain", credential.NewSecret("FAKE-plain-pass"), false)
	for name, c := range map[string]struct {
		account  string
		password credential.Secret
		fault    *sandbox.Fault
		want     credential.Reason
	}{
		"a wrong password":  {"plain", credential.NewSecret("FAKE-wrong"), nil, credential.SignInRefused},
		"a token":           {"mockserver", h.box.PushToken, nil, credential.SessionNeeded},
		"single sign-on":    {"company", credential.NewSecret("FAKE-3x7Q9z-pass"), nil, credential.SignInImpossible},
		"locked":            {"plain", credential.NewSecret("FAKE-plain-pass"), &sandbox.Fault{Status: http.StatusTooManyRequests, Body: `{"detail":"too many failed login attempts"}`}, credential.RateLimited},
		"a page instead":    {"plain", credential.NewSecret("FAKE-plain-pass"), &sandbox.Fault{HTML: true}, credential.RegistryStrange},
		"200 with nothing":  {"plain", credential.NewSecret("FAKE-plain-pass"), &sandbox.Fault{Status: http.StatusOK, Body: `{}`}, credential.RegistryStrange},
		"an invalid bearer": {"plain", credential.NewSecret("FAKE-plain-pass"), &sandbox.Fault{Status: http.StatusOK, Body: `{"access_token":"FAKE"}`}, credential.RegistryStrange},
		"cut":               {"plain", credential.NewSecret("FAKE-plain-pass"), &sandbox.Fault{}, credential.RegistryUnreachable},
		"an echo":           {"plain", credential.NewSecret("FAKE-plain-pass"), &sandbox.Fault{Echo: true}, credential.RegistryStrange},
	} {
		if c.fault != nil {
			h.box.Hub.Fault("exchange", *c.fault)
		}
		_, err := accounts.SignIn(t.Context(), h.client, c.account, c.password, nil, "")
		h.is(name, err, c.want)
		if err != nil && credential.Shows(err.Error(), c.password) {
			t.Errorf("%s: the error shows the password", name)
		}
	}
}

func TestInvalidSessionsAreRefused(t *testing.T) {
	h := newHubBench(t)
	over, err := h.box.Hub.Session("mockserver", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	_, err = accounts.Session(h.client, over, "")
	h.is("an expired session", err, credential.SessionEnded)
	for name, bearer := range map[string]credential.Secret{"a token": h.box.PushToken, "nothing": {}, "no claims": credential.NewSecret("eyJhbGciOiJub25lIn0.e30.x")} {
		_, err := accounts.Session(h.client, bearer, "")
		h.is(name, err, credential.SessionNeeded)
	}
}

func TestTokensAreMadeListedDeactivatedAndRevoked(t *testing.T) {
	for _, hide := range []string{"", "***"} {
		for _, accepted := range []bool{false, true} {
			h := newHubBench(t)
			h.box.Hub.Hide, h.box.Hub.Accepted = hide, accepted
			request := push
			request.Expires = time.Now().Add(90 * 24 * time.Hour)
			made, token, err := h.account("").Mint(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if made.Label != request.Label || !made.Active || made.Expires.Sub(request.Expires).Abs() > time.Second || !slices.Equal(made.Scopes, []string{"repo:write"}) || token.Len() != 36 {
				t.Errorf("%+v", made)
			}
			cred := credential.Credential{Registry: "docker.io", Username: "mockserver", Repositories: []credential.Repository{"mockserver/mockserver"}, Access: credential.Push}
			login := credential.Login{Username: "mockserver", Token: token}
			if p := h.client.Prove(t.Context(), cred, login, false); p.Verdict != credential.Granted {
				t.Errorf("the token does not work: %v", p.Fault)
			}
			all, now, err := h.account("").Tokens(t.Context())
			i := slices.IndexFunc(all, func(m credential.ManagedToken) bool { return m.ID == made.ID })
			if err != nil || i < 0 || all[i].LastUsed.IsZero() || time.Since(now) > time.Minute {
				t.Fatalf("%v %v", all, err)
			}
			if err := h.account("").Activate(t.Context(), made.ID, false); err != nil {
				t.Error(err)
			}
			if p := h.client.Prove(t.Context(), cred, login, false); p.Verdict != credential.Refused {
				t.Errorf("a deactivated token is %v", p.Verdict)
			}
			if err := h.account("").Activate(t.Context(), made.ID, true); err != nil {
				t.Error(err)
			}
			for range 2 { // the second time, it no longer exists
				if err := h.account("").Revoke(t.Context(), made.ID); err != nil {
					t.Error(err)
				}
			}
			h.is("activating a revoked token", h.account("").Activate(t.Context(), made.ID, true), credential.NoSuchToken)
		}
	}
}

func TestAnOrganizationTokenWorksOnlyForItsRepositories(t *testing.T) {
	h := newHubBench(t)
	request := push
	_, _, err := h.account("acme").Mint(t.Context(), request)
	h.is("without repositories", err, credential.Usage)
	request.Repositories = []credential.Repository{"acme/app"}
	made, token, err := h.account("acme").Mint(t.Context(), request)
	if err != nil || made.Organization != "acme" {
		t.Fatalf("%v %v", made, err)
	}
	login := credential.Login{Username: "acme", Token: token}
	cred := credential.Credential{Registry: "docker.io", Username: "acme", Repositories: []credential.Repository{"acme/app"}, Access: credential.Push}
	if p := h.client.Prove(t.Context(), cred, login, true); p.Verdict != credential.Granted {
		t.Errorf("its own repository: %v", p.Fault)
	}
	all, _, err := h.account("acme").Tokens(t.Context())
	if err != nil || len(all) != 1 || all[0].Label != request.Label {
		t.Errorf("%v %v", all, err)
	}
	h.box.Accounts.AddOrganization("full", sandboxhub.Organization{Owners: []string{"mockserver"}, Allowed: 1})
	h.box.Accounts.AddRepository("full/app", "full", false)
	h.box.Accounts.AddOrganization("poor", sandboxhub.Organization{Owners: []string{"mockserver"}, NoPlan: true})
	h.box.Accounts.AddOrganization("others", sandboxhub.Organization{Owners: []string{"someone-else"}})
	request.Repositories = []credential.Repository{"full/app"}
	if _, _, err := h.account("full").Mint(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	for organization, want := range map[string]credential.Reason{
		"full": credential.TokenLimit, "poor": credential.PlanLacks, "others": credential.NotPermitted, "nobody": credential.NotPermitted, "a/b": credential.Usage, "..": credential.Usage,
	} {
		_, _, err := h.account(organization).Mint(t.Context(), request)
		h.is(organization, err, want)
	}
}

func TestTokenListsArePagedOnlyOnTheSamePath(t *testing.T) {
	h := newHubBench(t)
	for range 230 {
		if _, err := h.box.Accounts.AddToken("mockserver", sandboxhub.Read); err != nil {
			t.Fatal(err)
		}
	}
	all, _, err := h.account("").Tokens(t.Context())
	if err != nil || len(all) < 230 {
		t.Errorf("%d tokens, %v", len(all), err)
	}
	for name, next := range map[string]string{
		"another host": "https://evil.example/v2/access-tokens?page=2", "plain http": "http://hub.docker.com/v2/access-tokens?page=2",
		"another path": "https://hub.docker.com/v2/users?page=2", "the same again": "https://hub.docker.com/v2/access-tokens?page=1&page_size=100", "no address": "::",
	} {
		h.box.Hub.Fault("tokens", sandbox.Fault{Status: http.StatusOK, Body: `{"results":[],"next":"` + next + `"}`})
		_, _, err := h.account("").Tokens(t.Context())
		h.is(name, err, credential.RegistryStrange)
	}
}

func TestUnexpectedAnswersToTokenManagement(t *testing.T) {
	const good = `"uuid":"u","token_label":"purser/x","is_active":true,"created_at":"2026-01-01T00:00:00Z"`
	for name, c := range map[string]struct {
		fault sandbox.Fault
		want  credential.Reason
	}{
		"a page":            {sandbox.Fault{Status: http.StatusBadGateway, HTML: true}, credential.RegistryStrange},
		"no list":           {sandbox.Fault{Status: http.StatusOK, Body: `{}`}, credential.RegistryStrange},
		"cut JSON":          {sandbox.Fault{Status: http.StatusOK, Body: `{"results":[{`}, credential.RegistryStrange},
		"no uuid":           {sandbox.Fault{Status: http.StatusOK, Body: `{"results":[{` + strings.Replace(good, "uuid", "id", 1) + `}]}`}, credential.RegistryStrange},
		"no label":          {sandbox.Fault{Status: http.StatusOK, Body: `{"results":[{` + strings.Replace(good, "token_label", "name", 1) + `}]}`}, credential.RegistryStrange},
		"no state":          {sandbox.Fault{Status: http.StatusOK, Body: `{"results":[{` + strings.Replace(good, "is_active", "x", 1) + `}]}`}, credential.RegistryStrange},
		"no date":           {sandbox.Fault{Status: http.StatusOK, Body: `{"results":[{` + strings.Replace(good, "created_at", "x", 1) + `}]}`}, credential.RegistryStrange},
		"an ended session":  {sandbox.Fault{Status: http.StatusUnauthorized, Body: `{"errinfo":null,"message":"unauthorized"}`}, credential.SessionEnded},
		"a token's session": {sandbox.Fault{Status: http.StatusForbidden, Body: `{"message":"access is forbidden with a JWT issued from a personal access token"}`}, credential.SessionNeeded},
		"an echo":           {sandbox.Fault{Echo: true}, credential.RegistryStrange},
		"a redirect":        {sandbox.Fault{Status: http.StatusFound, Header: http.Header{"Location": {"https://evil.example/"}}}, credential.RegistryUnsafe},
		"a long rate limit": {sandbox.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"300"}}, Times: -1}, credential.RateLimited},
	} {
		h := newHubBench(t)
		h.box.Hub.Fault("tokens", c.fault)
		_, _, err := h.account("").Tokens(t.Context())
		h.is(name, err, c.want)
		if len(h.waited) > 0 {
			t.Errorf("%s: waited %v", name, h.waited)
		}
	}
	h := newHubBench(t)
	h.box.Hub.Fault("tokens", sandbox.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3"}}})
	if _, _, err := h.account("").Tokens(t.Context()); err != nil || !slices.Equal(h.waited, []time.Duration{3 * time.Second}) {
		t.Errorf("a short wait: %v after %v", err, h.waited)
	}
	h.box.Hub.EndSessions("mockserver")
	_, _, err := h.account("").Tokens(t.Context())
	h.is("an ended session", err, credential.SessionEnded)
}

// In each case there is a token that nobody has.
func TestALostAnswerToMintingIsReported(t *testing.T) {
	for name, f := range map[string]sandbox.Fault{
		"cut": {After: true}, "a bad gateway": {After: true, Status: http.StatusBadGateway, HTML: true},
		"cut JSON": {After: true, Status: http.StatusCreated, Body: `{"uuid":"`}, "no token in it": {After: true, Status: http.StatusCreated, Body: `{"uuid":"u","token_label":"` + push.Label + `","is_active":true,"created_at":"2026-01-01T00:00:00Z","token":"***"}`},
		"no uuid in it": {After: true, Status: http.StatusCreated, Body: `{"token":"x"}`},
	} {
		h := newHubBench(t)
		before := len(h.box.Accounts.Tokens("mockserver"))
		h.box.Hub.Fault("mint", f)
		_, token, err := h.account("").Mint(t.Context(), push)
		h.is(name, err, credential.MaybeMinted)
		if !token.IsZero() || len(h.box.Accounts.Tokens("mockserver")) != before+1 || !strings.Contains(err.Error(), push.Label) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := newHubBench(t)
	for name, label := range map[string]string{"none": "", "too long": strings.Repeat("x", 101)} {
		request := push
		request.Label = label
		_, _, err := h.account("").Mint(t.Context(), request)
		h.is(name, err, credential.Usage)
	}
	h.box.Hub.Fault("mint", sandbox.Fault{Status: http.StatusBadRequest, Body: `{"fields":{},"text":"you have reached the maximum number of access tokens"}`})
	_, _, err := h.account("").Mint(t.Context(), push)
	h.is("the limit", err, credential.TokenLimit)
	h.box.Hub.Fault("mint", sandbox.Fault{Status: http.StatusBadRequest, Body: `{"fields":{},"text":"something else"}`})
	_, _, err = h.account("").Mint(t.Context(), push)
	h.is("another refusal", err, credential.MintRefused)
}
