package sandbox_test

import (
	"crypto/rand"
	"net/http"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/realservers"
	"purser/internal/sandbox"
	"purser/internal/sandbox/registry"
)

// TestABearerEndsWhenItEndsAtARealRegistry shows bearers of every age to the stand-in and to
// distribution's registry, which accepts them for a minute longer than they say.
func TestABearerEndsWhenItEndsAtARealRegistry(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	keys, err := box.KeySet()
	if err != nil {
		t.Fatal(err)
	}
	real := realservers.RegistryFor(t, realservers.TokenService{Realm: sandbox.TokenRealm, Service: sandbox.TokenService, Issuer: registry.TokenIssuer, KeySet: string(keys)})
	const repo = "mockserver/mockserver"
	for name, c := range map[string]struct {
		from, until time.Duration // from now
		accepted    bool
	}{
		"it is valid":                     {-time.Minute, 5 * time.Minute, true},
		"it ended a moment ago":           {-5 * time.Minute, -30 * time.Second, true},
		"it ended more than a minute ago": {-5 * time.Minute, -90 * time.Second, false},
		"it begins in a moment":           {30 * time.Second, 5 * time.Minute, true},
		"it begins later":                 {90 * time.Second, 5 * time.Minute, false},
	} {
		now := time.Now()
		bearer, err := box.HubRegistry.Bearers.Sign(map[string]any{
			"iss": registry.TokenIssuer, "aud": sandbox.TokenService, "sub": "mockserver", "jti": "FAKE" + rand.Text(),
			"iat": now.Add(-5 * time.Minute).Unix(), "nbf": now.Add(c.from).Unix(), "exp": now.Add(c.until).Unix(),
			"access": []any{map[string]any{"type": "repository", "name": repo, "actions": []string{"pull"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for at, url := range map[string]string{"the stand-in": "https://registry-1.docker.io", "distribution": real.URL} {
			client := &http.Client{Transport: box.Transport()}
			if at == "distribution" {
				client = real.HTTPClient(t)
			}
			if status := tagsWith(t, client, url+"/v2/"+repo+"/tags/list", bearer); (status != http.StatusUnauthorized) != c.accepted {
				t.Errorf("%s: %s answers %d", name, at, status)
			}
		}
	}
}

func tagsWith(t *testing.T, client *http.Client, url string, bearer credential.Secret) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+bearer.Reveal())
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close() // only the status matters
	return res.StatusCode
}
