package realservers

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const seedTag = "seed" // Seed pushes it

// Seed creates a repository by pushing a tiny image as ci-push.
func Seed(t testing.TB, r *Registry, repository string) {
	t.Helper()
	img := newImage(t)
	s := seeder{http: r.HTTPClient(t), base: r.URL + "/v2/" + repository}
	s.authorization = r.authorize(t, repository, r.Push)
	for _, blob := range [][]byte{img.config, img.layer} {
		location := s.send(t, http.MethodPost, s.base+"/blobs/uploads/", "", nil, http.StatusAccepted)
		target, err := url.Parse(location)
		if err != nil {
			t.Fatalf("seed %s: parse the registry's Location: %v", repository, err)
		}
		query := target.Query()
		query.Set("digest", digest(blob))
		target.RawQuery = query.Encode()
		s.send(t, http.MethodPut, target.String(), "application/octet-stream", blob, http.StatusCreated)
	}
	s.send(t, http.MethodPut, s.base+"/manifests/"+seedTag, manifestType, img.manifest, http.StatusCreated)
}

// seeded reports whether Seed has pushed to the repository.
func seeded(t testing.TB, r *Registry, repository string) bool {
	t.Helper()
	address := r.URL + "/v2/" + repository + "/manifests/" + seedTag
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatalf("look for Seed's image: %v", err)
	}
	req.Header.Set("Authorization", r.authorize(t, repository, r.Push))
	req.Header.Set("Accept", manifestType)
	return do(t, r.HTTPClient(t), req).status == http.StatusOK
}

type seeder struct {
	http                *http.Client
	base, authorization string
}

// send makes a request and returns the answer's Location.
func (s seeder) send(t testing.TB, method, address, contentType string, body []byte, want int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, bytes.NewReader(body))
	if err != nil {
		t.Fatalf("seed: %v", err)
	}
	req.Header.Set("Authorization", s.authorization)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	got := do(t, s.http, req)
	if got.status != want {
		t.Fatalf("seed: %s %s = %d, want %d: %s", method, req.URL.Path, got.status, want, got.body)
	}
	to, err := req.URL.Parse(got.header.Get("Location"))
	if err != nil {
		t.Fatalf("seed: %v", err)
	}
	return to.String()
}

var realmForm = regexp.MustCompile(`^Bearer realm="([^"]+)",service="([^"]+)"`)

// authorize signs a user in to push, as the registry's challenge says, and returns the Authorization
// header.
func (r *Registry) authorize(t testing.TB, repository string, u User) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/v2/", nil)
	if err != nil {
		t.Fatalf("sign in to %s: %v", r.Host, err)
	}
	challenge := do(t, r.HTTPClient(t), req).header.Get("WWW-Authenticate")
	basic := &http.Request{Header: http.Header{}}
	basic.SetBasicAuth(u.Name, u.Password)
	if strings.HasPrefix(challenge, "Basic ") {
		return basic.Header.Get("Authorization")
	}
	way := realmForm.FindStringSubmatch(challenge)
	if way == nil {
		t.Fatalf("sign in to %s: its challenge is %q", r.Host, challenge)
	}
	query := url.Values{"service": {way[2]}, "scope": {"repository:" + repository + ":pull,push"}}
	req, err = http.NewRequestWithContext(t.Context(), http.MethodGet, way[1]+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatalf("sign in to %s: %v", r.Host, err)
	}
	req.Header = basic.Header
	got := do(t, r.HTTPClient(t), req)
	var answer struct {
		Token       string `json:"token"`
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal(got.body, &answer); err != nil || answer.Token+answer.AccessToken == "" {
		t.Fatalf("sign in to %s: the token server answered %d without a token", r.Host, got.status)
	}
	if answer.Token == "" {
		answer.Token = answer.AccessToken // the specification allows both names
	}
	return "Bearer " + answer.Token
}

type response struct {
	status int
	header http.Header
	body   []byte
}

func do(t testing.TB, client *http.Client, req *http.Request) response {
	t.Helper()
	const limit = 1 << 20
	res, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Redacted(), err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	body, err := io.ReadAll(io.LimitReader(res.Body, limit))
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL.Redacted(), err)
	}
	return response{res.StatusCode, res.Header, body}
}
