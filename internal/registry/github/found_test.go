package github_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/registry/github"
)

const token = "ghp_FAKE0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0u"

type answer func(*http.Request) (int, http.Header, string)

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) {
	status, header, body := a(r)
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestWhetherAFoundTokenWorks(t *testing.T) {
	for name, it := range map[string]struct {
		status int
		header http.Header
		works  bool
		reason credential.Reason // of not knowing
	}{
		"accepted": {http.StatusOK, nil, true, ""}, "dead": {http.StatusUnauthorized, nil, false, ""}, "of an installation": {http.StatusForbidden, nil, true, ""},
		"too many requests": {http.StatusForbidden, http.Header{"X-Ratelimit-Remaining": {"0"}}, false, credential.RateLimited},
		"an outage":         {http.StatusBadGateway, nil, false, credential.RegistryStrange},
	} {
		c := registry.New(registry.Config{Transport: answer(func(r *http.Request) (int, http.Header, string) {
			if r.URL.String() != "https://api.github.com/user" || r.Header.Get("Authorization") != "Bearer "+token {
				t.Errorf("%s: asked %s", name, r.URL)
			}
			return it.status, it.header, "{}"
		})})
		works, err := github.Kind().Works(t.Context(), c, credential.NewSecret(token))
		if works != it.works || (err != nil) != (it.reason != "") || it.reason == credential.RateLimited && credential.ReasonOf(err) != it.reason {
			t.Errorf("%s: %v, %v", name, works, err)
		}
	}
}

func TestFoundTokensAreEnded(t *testing.T) {
	var bodies []string
	status := http.StatusAccepted
	c := registry.New(registry.Config{Transport: answer(func(r *http.Request) (int, http.Header, string) {
		text, _ := io.ReadAll(r.Body)
		bodies = append(bodies, r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization")+string(text))
		return status, nil, `{"message":"no ` + token + `"}`
	})})
	if err := github.Kind().End(t.Context(), c, []credential.Secret{credential.NewSecret(token)}); err != nil {
		t.Fatal(err)
	}
	if want := "POST https://api.github.com/credentials/revoke {\"credentials\":[\"" + token + "\"]}"; len(bodies) != 1 || bodies[0] != want {
		t.Errorf("sent %q, want %q", bodies, want)
	}
	many := make([]credential.Secret, 1001)
	for i := range many {
		many[i] = credential.NewSecret(token)
	}
	if err := github.Kind().End(t.Context(), c, many); err != nil || len(bodies) != 3 {
		t.Errorf("%v, %d requests for 1001 tokens", err, len(bodies)-1)
	}
	status = http.StatusUnprocessableEntity
	if err := github.Kind().End(t.Context(), c, many[:1]); err == nil || strings.Contains(err.Error(), "FAKE") {
		t.Errorf("refused: %v", err)
	}
}
