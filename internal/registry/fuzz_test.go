package registry

import (
	"encoding/base64"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"purser/internal/credential"
)

// FuzzWhatARegistryAnswers checks that no answer makes a fault show a piece of the token. CANARY in the
// answer becomes the token, canary the token in base64.
func FuzzWhatARegistryAnswers(f *testing.F) {
	for _, body := range []string{
		`{"errors":[{"code":"DENIED","message":"CANARY"}]}`, `{"detail":"insufficient scopes for canary"}`, `{"message":{"a":1}}`, `CANARY`, `<html>canary`,
		`{"details":"CANA\u0052Y","text":"\u001b[2J"}`, `{"error":"expired"}`,
	} {
		f.Add(http.StatusUnauthorized, body, "30")
		f.Add(http.StatusTooManyRequests, body, "Mon, 01 Jan 2035 00:00:00 GMT")
	}
	login := &credential.Login{Username: "mockserver", Token: credential.NewSecret("dckr_pat_FAKEfuzzFAKEfuzzFAKEfuzz")}
	c := New(Config{Now: func() time.Time { return time.Unix(1, 0) }})
	f.Fuzz(func(t *testing.T, status int, body, wait string) {
		token := login.Token.Reveal()
		planted := strings.NewReplacer("CANARY", token, "canary", base64.StdEncoding.EncodeToString([]byte(token))).Replace(body)
		a := &Answer{
			Status: status, Header: http.Header{"Retry-After": {wait}, "Location": {planted}}, Body: []byte(planted),
			URL: &url.URL{Scheme: "https", Host: "registry.example.net"}, sent: login.Token,
		}
		for _, fault := range []*credential.Fault{c.Refusal(a, login), c.RateLimited(a, login), Unexpected(a, login)} {
			if credential.Shows(fault.Error(), login.Token) && !credential.Shows(body, login.Token) {
				t.Errorf("%q with status %d becomes %v", body, status, fault)
			}
			if fault.Wait < 0 {
				t.Errorf("Retry-After: %q is %v", wait, fault.Wait)
			}
		}
	})
}

// FuzzBearer checks that reading a bearer's claims never panics, and uses only those about the
// repository.
func FuzzBearer(f *testing.F) {
	for _, claims := range []string{`{"access":[{"type":"repository","name":"a/b","actions":["pull"]}]}`, `{"access":[]}`, `{"sub":1}`, `[]`, `{"access":[{"name":"c/d","actions":["push"]}]}`} {
		f.Add(claims, "a/b")
	}
	f.Fuzz(func(t *testing.T, claims, repository string) {
		bearer := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".e30"
		g := readGrant(credential.NewSecret(bearer), credential.Repository(repository))
		literal := utf8.ValidString(claims) && !strings.Contains(claims, "\\")
		if literal && slices.ContainsFunc(g.actions, func(a string) bool { return !strings.Contains(claims, a) }) {
			t.Errorf("%q grants %v", claims, g.actions)
		}
		if other := readGrant(credential.NewSecret(bearer), credential.Repository(repository+"x/other")); literal && len(other.actions) > 0 && !strings.Contains(claims, "other") {
			t.Errorf("%q grants %v on another repository", claims, other.actions)
		}
		readGrant(credential.NewSecret(claims), credential.Repository(repository))
	})
}

// FuzzABearersLife checks that purser believes no life that it could not write as a date.
func FuzzABearersLife(f *testing.F) {
	f.Add(`{"iat":100,"exp":700}`, 300.0, true)
	f.Add(`{"exp":1e300}`, -1e300, false)
	f.Add(`{"iat":-9e18,"exp":9e18}`, 0.0, true)
	f.Fuzz(func(t *testing.T, claims string, said float64, readable bool) {
		if math.IsNaN(said) {
			t.Skip("JSON has no such number")
		}
		bearer := credential.NewSecret("e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".e30")
		c := New(Config{Now: func() time.Time { return time.Unix(1000, 0) }})
		if life := c.lifeOf(bearer, said, readable); life != 0 && (life < leastLife+leeway || life > longestLife+leeway) {
			t.Errorf("%q and %v: %v", claims, said, life)
		}
	})
}
