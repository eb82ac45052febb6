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

// seedTag is the tag under which Seed leaves its image.
const seedTag = "seed"

// Seed makes a repository by pushing a tiny image into it as ci-push.
func Seed(t testing.TB, r *Registry, repository string) {
	t.Helper()
	img := newImage(t)
	s := seeder{http: r.HTTPClient(t), base: r.URL + "/v2/" + repository}
	s.authorization = r.authorize(t, repository, r.Push)
	for _, blob := range [][]byte{img.config, img.layer} {
		location := s.send(t, http.MethodPost, s.base+"/blobs/uploads/", "", nil, http.StatusAccepted)
		target, err := url.Parse(location)
		if err != nil {
			t.Fatalf("seed %s: the registry's Location: %v", repository, err)
		}
		query := target.Query()
		query.Set("digest", digest(blob))
		target.RawQuery = query.Encode()
		s.send(t, http.MethodPut, target.String(), "application/octet-stream", blob, http.StatusCreated)
	}
	s.send(t, http.MethodPut, s.base+"/manifests/"+seedTag, manifestType, img.manifest, http.StatusCreated)
}

// seeded reports whether Seed has been at the repository.
func seeded(t testing.TB, r *Registry, repository string) bool {
	t.Helper()
	address := r.URL + "/v2/" + repository + "/manifests/" + seedTag
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatalf("look for the image of Seed: %v", err)
	}
	req.Header.Set("Authorization", r.authorize(t, repository, r.Push))
	req.Header.Set("Accept", manifestType)
	return do(t, r.HTTPClient(t), req).status == http.StatusOK
}

// seeder sends the requests of one push.
type seeder struct {
	http                *http.Client
	base, authorization string
}

// send makes one request and returns the Location of the answer.
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

// authorize signs a user in for pushing, in the way that the registry asks for,
// and returns the header to send.
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
		t.Fatalf("sign in to %s: the token server answers %d without a token", r.Host, got.status)
	}
	if answer.Token == "" {
		answer.Token = answer.AccessToken // the specification has both names for the same
	}
	return "Bearer " + answer.Token
}

// response is what matters of an answer.
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
