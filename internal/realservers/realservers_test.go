package realservers_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"purser/internal/realservers"
)

// registries are those with a token server.
var registries = []struct {
	name  string
	start func(testing.TB, ...realservers.Option) *realservers.Registry
}{
	{"registry 2", realservers.Registry2},
	{"registry 3", realservers.Registry3},
}

func TestTheTokenServerGrantsOnlyTheUsersRights(t *testing.T) {
	t.Parallel()
	for _, reg := range registries {
		t.Run(reg.name, func(t *testing.T) {
			t.Parallel()
			r := reg.start(t)
			rights(t, r)
		})
	}
}

func TestRegistriesWorkBehindAPrivateCA(t *testing.T) {
	t.Parallel()
	for _, reg := range registries {
		t.Run(reg.name, func(t *testing.T) {
			t.Parallel()
			r := reg.start(t, realservers.WithTLS)
			if !strings.HasPrefix(r.URL, "https://") || r.CAFile == "" {
				t.Fatalf("registry with TLS: URL %q, CA file %q", r.URL, r.CAFile)
			}
			rights(t, r)
			pushes(t, r)
		})
	}
}

func TestClientsPushOnlyWhatTheLoginAllows(t *testing.T) {
	t.Parallel()
	for _, reg := range registries {
		t.Run(reg.name, func(t *testing.T) {
			t.Parallel()
			pushes(t, reg.start(t))
		})
	}
}

// pushes tries all logins with every client.
func pushes(t *testing.T, r *realservers.Registry) {
	t.Helper()
	realservers.Seed(t, r, r.Repository)
	for _, client := range realservers.Clients() {
		t.Run(string(client), func(t *testing.T) {
			for _, c := range []struct {
				name, repository, user, token string
				taken                         bool
			}{
				{"ci-push", r.Repository, r.Push.Name, r.Push.Password, true},
				{"ci-pull", r.Repository, r.Pull.Name, r.Pull.Password, false},
				{"elsewhere", r.Foreign, r.Push.Name, r.Push.Password, false},
				{"wrong password", r.Repository, r.Push.Name, r.Pull.Password, false},
			} {
				err := realservers.Push(t, client, r, c.repository, c.user, c.token)
				if (err == nil) != c.taken {
					t.Errorf("%s: Push(%s) = %v, want taken: %t", c.name, client, err, c.taken)
				}
			}
		})
	}
}

func TestABasicRegistryHasOneUserWithoutScopes(t *testing.T) {
	t.Parallel()
	r := realservers.BasicRegistry(t)
	realservers.Seed(t, r, r.Repository)
	for _, client := range realservers.Clients() {
		t.Run(string(client), func(t *testing.T) {
			if err := realservers.Push(t, client, r, r.Repository, r.Push.Name, r.Push.Password); err != nil {
				t.Errorf("ci-push: Push(%s) = %v, want nil", client, err)
			}
			if err := realservers.Push(t, client, r, r.Repository, r.Push.Name, "not-the-password"); err == nil {
				t.Errorf("wrong password: Push(%s) = nil, want an error", client)
			}
		})
	}
}

func TestMotoAnswersLikeSecretsManager(t *testing.T) {
	t.Parallel()
	address := realservers.Moto(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Amz-Target", "secretsmanager.ListSecrets")
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-2/secretsmanager/aws4_request, SignedHeaders=host, Signature=0")
	code, _, body := send(t, http.DefaultClient, req)
	if code != http.StatusOK || !strings.Contains(body, `"SecretList"`) {
		t.Errorf("ListSecrets = %d %s, want 200 and an empty list", code, body)
	}
}

func TestDockerConfigIsPrivate(t *testing.T) {
	t.Parallel()
	info, err := os.Stat(realservers.DockerConfig(t, "localhost:5000", "ci-push", "made-up") + "/config.json")
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("config.json has mode %o, want 600", mode)
	}
}

// rights checks what the token server grants, and that the registry enforces it.
func rights(t *testing.T, r *realservers.Registry) {
	t.Helper()
	realm := realmOf(t, r)
	wrong := realservers.User{Name: r.Push.Name, Password: r.Pull.Password}
	for _, c := range []struct {
		name       string
		user       realservers.User
		repository string // "": no scope, like docker login
		status     int
		granted    []string
		upload     int
	}{
		{"ci-push", r.Push, r.Repository, 200, []string{"pull", "push"}, 202},
		{"ci-pull gets less", r.Pull, r.Repository, 200, []string{"pull"}, 401},
		{"ci-push elsewhere", r.Push, r.Foreign, 200, nil, 401},
		{"ci-pull elsewhere", r.Pull, r.Foreign, 200, nil, 401},
		{"ci-push without a scope", r.Push, "", 200, nil, 401},
		{"ci-pull without a scope", r.Pull, "", 200, nil, 401},
		{"wrong password", wrong, r.Repository, 401, nil, 0},
		{"anonymous", realservers.User{}, r.Repository, 401, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, token := askToken(t, r, realm, c.user, c.repository)
			if status != c.status {
				t.Fatalf("token request = %d, want %d", status, c.status)
			}
			if status != http.StatusOK {
				return
			}
			if diff := cmp.Diff(c.granted, actions(t, token)); diff != "" {
				t.Errorf("granted actions (-want +got):\n%s", diff)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL+"/v2/team/app/blobs/uploads/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			if got, _, body := send(t, r.HTTPClient(t), req); got != c.upload {
				t.Errorf("starting an upload = %d, want %d: %s", got, c.upload, body)
			}
		})
	}
}

func realmOf(t *testing.T, r *realservers.Registry) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/v2/", nil)
	if err != nil {
		t.Fatal(err)
	}
	status, header, _ := send(t, r.HTTPClient(t), req)
	found := regexp.MustCompile(`^Bearer realm="([^"]+)"`).FindStringSubmatch(header.Get("WWW-Authenticate"))
	if status != http.StatusUnauthorized || found == nil {
		t.Fatalf("GET /v2/ = %d with challenge %q, want 401 and a realm", status, header.Get("WWW-Authenticate"))
	}
	return found[1]
}

func askToken(t *testing.T, r *realservers.Registry, realm string, u realservers.User, repository string) (status int, token string) {
	t.Helper()
	query := url.Values{"service": {"real-registry"}}
	if repository != "" {
		query.Set("scope", "repository:"+repository+":pull,push")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, realm+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if u.Name != "" {
		req.SetBasicAuth(u.Name, u.Password)
	}
	status, _, body := send(t, r.HTTPClient(t), req)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil && status == http.StatusOK {
		t.Fatalf("decode the token server's answer: %v", err)
	}
	return status, answer.Token
}

// actions returns a token's actions on all repositories, sorted.
func actions(t *testing.T, token string) []string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts, want 3", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Access []struct{ Actions []string }
	}
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, a := range claims.Access {
		all = append(all, a.Actions...)
	}
	slices.Sort(all)
	return all
}

func send(t *testing.T, client *http.Client, req *http.Request) (status int, header http.Header, body string) {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}
