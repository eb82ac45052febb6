package registry

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
)

func TestParseChallenges(t *testing.T) {
	hub := challenge{"bearer", map[string]string{"realm": "https://auth.docker.io/token", "service": "registry.docker.io"}}
	for name, c := range map[string]struct {
		headers []string
		want    []challenge
	}{
		"none":       {nil, nil},
		"Docker Hub": {[]string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io"`}, []challenge{hub}},
		"odd spacing and case": {
			[]string{`BEARER  Realm = "https://auth.docker.io/token" , SERVICE=registry.docker.io`}, []challenge{hub},
		},
		"two in one header": {
			[]string{`Basic realm="x", Bearer realm="https://auth.docker.io/token",service="registry.docker.io"`},
			[]challenge{{"basic", map[string]string{"realm": "x"}}, hub},
		},
		"two headers": {
			[]string{`Bearer realm="r"`, `Basic realm="b"`},
			[]challenge{{"bearer", map[string]string{"realm": "r"}}, {"basic", map[string]string{"realm": "b"}}},
		},
		"escapes and commas in quotes": {
			[]string{`Bearer realm="a\"b,c",scope="repository:x:pull,push",error="insufficient_scope"`},
			[]challenge{{"bearer", map[string]string{"realm": `a"b,c`, "scope": "repository:x:pull,push", "error": "insufficient_scope"}}},
		},
		"a parameter twice": {[]string{`Bearer realm="first",realm="second"`}, []challenge{{"bearer", map[string]string{"realm": "first"}}}},
		"an open quote":     {[]string{`Bearer realm="https://x`}, []challenge{{"bearer", map[string]string{"realm": "https://x"}}}},
		"garbage":           {[]string{`"=,;`, ``, `,,,`}, nil},
	} {
		got := parseChallenges(c.headers)
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(challenge{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestATokenServiceIsPreferredToBasic(t *testing.T) {
	for name, c := range map[string]struct {
		headers []string
		want    string
	}{
		"both":                 {[]string{`Basic realm="b"`, `Bearer realm="r"`}, "bearer"},
		"basic alone":          {[]string{`Basic realm="b"`}, "basic"},
		"bearer without realm": {[]string{`Bearer service="s"`, `Basic realm="b"`}, "basic"},
		"neither":              {[]string{`Negotiate`, `Bearer`}, ""},
	} {
		if got, _ := choose(parseChallenges(c.headers)); got.scheme != c.want {
			t.Errorf("%s: %q, want %q", name, got.scheme, c.want)
		}
	}
}

func TestATokenGoesOnlyToTheRegistrysTokenService(t *testing.T) {
	for _, c := range []struct {
		host        string
		base, realm string
		extra       []string
		ok          bool
	}{
		{"docker.io", "https://registry-1.docker.io", "https://auth.docker.io/token", nil, true},
		{"docker.io", "https://registry-1.docker.io", "https://registry-1.docker.io/token", nil, true},
		{"docker.io", "https://registry-1.docker.io", "https://evil.docker.io/token", nil, false},
		{"docker.io", "https://registry-1.docker.io", "https://auth.docker.io:8443/token", nil, false},
		{"docker.io", "https://registry-1.docker.io", "https://auth.docker.io.evil.example/token", nil, false},
		{"docker.io", "https://registry-1.docker.io", "http://auth.docker.io/token", nil, false},
		{"ghcr.io", "https://ghcr.io", "https://ghcr.io/token", nil, true},
		{"ghcr.io", "https://ghcr.io", "https://GHCR.io/token", nil, true},
		{"ghcr.io", "https://ghcr.io", "https://ghcr.io.example.com/token", nil, false},
		{"ghcr.io", "https://ghcr.io", "https://user:pw@ghcr.io/token", nil, false},
		{"ghcr.io", "https://ghcr.io", "//ghcr.io/token", nil, false},
		{"ghcr.io", "https://ghcr.io", "ftp://ghcr.io/token", nil, false},
		{"ghcr.io", "https://ghcr.io", "https://169.254.169.254/token", nil, false},
		{"ghcr.io", "https://ghcr.io", "http://127.0.0.1:1/token", nil, false},
		{"registry.gitlab.com", "https://registry.gitlab.com", "https://gitlab.com/jwt/auth", nil, true},
		{"registry.example.co.uk", "https://registry.example.co.uk", "https://auth.example.co.uk/t", nil, true},
		{"registry.example.co.uk", "https://registry.example.co.uk", "https://auth.other.co.uk/t", nil, false},
		{"registry.example.com", "https://registry.example.com", "https://sso.example.net/t", []string{"sso.example.net"}, true},
		{"registry.example.com", "https://registry.example.com", "http://sso.example.net/t", []string{"sso.example.net"}, false},
		{"10.0.0.1", "https://10.0.0.1", "https://10.0.0.2/t", nil, false},
		{"127.0.0.1:5000", "http://127.0.0.1:5000", "http://127.0.0.1:5001/token", nil, true},
		{"localhost:5000", "http://localhost:5000", "http://localhost:5001/token", nil, true},
		{"127.0.0.1:5000", "http://127.0.0.1:5000", "https://auth.example.com/token", nil, false},
		{"127.0.0.1:5000", "http://127.0.0.1:5000", "http://auth.example.com/token", nil, false},
	} {
		base, err := url.Parse(c.base)
		if err != nil {
			t.Fatal(err)
		}
		cred := credential.Credential{Registry: credential.Host(c.host), AuthHosts: c.extra}
		_, err = checkRealm(cred, base, c.realm)
		if ok := err == nil; ok != c.ok {
			t.Errorf("%s may receive the token of %s: %v, want %v (%v)", c.realm, c.host, ok, c.ok, err)
		}
		if err != nil && credential.ReasonOf(err) != credential.RegistryUnsafe {
			t.Errorf("%s: reason %q", c.realm, credential.ReasonOf(err))
		}
	}
}

func FuzzChallenge(f *testing.F) {
	for _, seed := range []string{`Bearer realm="https://auth.docker.io/token",service="registry.docker.io"`, `Basic realm="a\"b"`, `Bearer a=b, Basic`, `,=",`} {
		f.Add(seed)
	}
	base := &url.URL{Scheme: "https", Host: "registry-1.docker.io"}
	f.Fuzz(func(t *testing.T, header string) {
		for _, c := range parseChallenges([]string{header}) {
			if c.scheme == "" {
				t.Fatalf("a challenge has no scheme in %q", header)
			}
			u, err := checkRealm(credential.Credential{Registry: "docker.io"}, base, c.params["realm"])
			if err == nil && (u.Scheme != "https" || u.Host != "auth.docker.io" && !strings.EqualFold(u.Host, base.Host)) {
				t.Fatalf("the token would go to %s", u)
			}
		}
	})
}
