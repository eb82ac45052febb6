package realservers

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// User is an account of a registry. Each test gets a new password, so that a leaked one can be
// traced to its registry.
type User struct{ Name, Password string }

// Registry is a running registry.
type Registry struct {
	Host   string // localhost:PORT
	URL    string // http://HOST, or https://HOST with TLS
	CAFile string // the CA to trust, PEM; "" without TLS

	Push User // may pull and push
	Pull User // may pull; unnamed if the registry has no scopes

	Repository string // a repository where both users have their rights; see Seed
	Foreign    string // a repository where nobody has rights

	End func(testing.TB) // removes Push; nil with a password file of the registry's own

	certs certs
}

// Option changes how a registry is started.
type Option func(testing.TB, *Registry)

// WithTLS serves the registry and its token server with certificates of a private CA,
// Registry.CAFile.
func WithTLS(t testing.TB, r *Registry) {
	t.Helper()
	r.certs = newCerts(t)
	r.CAFile = r.certs.ca
}

// Registry2 starts Debian's docker-registry, distribution 2.8, with a token server. User ci-push may
// pull and push under team/. User ci-pull may only pull there, and gets less than it requests.
// Neither has rights elsewhere.
func Registry2(t testing.TB, options ...Option) *Registry {
	t.Helper()
	return withTokens(t, "docker-registry", options)
}

// Registry3 is Registry2 with distribution 3.
func Registry3(t testing.TB, options ...Option) *Registry {
	t.Helper()
	return withTokens(t, "registry", options)
}

func withTokens(t testing.TB, name string, options []Option) *Registry {
	t.Helper()
	program := Need(t, name)
	r := newRegistry(t, options)
	r.Pull = User{"ci-pull", rand.Text()}
	r.Foreign = "else/app"
	ts := startTokenServer(t, r.certs, r.Push, r.Pull)
	r.End = ts.end
	key := "rootcertbundle: " + ts.certFile
	if name == "registry" {
		key = "jwks: " + ts.jwksFile
	}
	r.start(t, program, fmt.Sprintf("token: {realm: %q, service: %s, issuer: %s, %s}",
		ts.realm, tokenService, tokenIssuer, key))
	return r
}

// TokenService describes a token service outside this package.
type TokenService struct{ Realm, Service, Issuer, KeySet string }

// RegistryFor starts distribution 3 over plain http with the caller's token service.
func RegistryFor(t testing.TB, ts TokenService) *Registry {
	t.Helper()
	program := Need(t, "registry")
	r := &Registry{}
	r.start(t, program, fmt.Sprintf("token: {realm: %q, service: %s, issuer: %s, jwks: %s}",
		ts.Realm, ts.Service, ts.Issuer, write(t, filepath.Join(t.TempDir(), "jwks.json"), ts.KeySet)))
	return r
}

// BasicRegistry starts Debian's docker-registry with a password file. Its only user, ci-push, may do
// everything; there are no tokens or scopes.
func BasicRegistry(t testing.TB, options ...Option) *Registry {
	t.Helper()
	program := Need(t, "docker-registry")
	r := newRegistry(t, options)
	file := write(t, filepath.Join(t.TempDir(), "users"), htpasswd(t, r.Push))
	r.start(t, program, fmt.Sprintf("htpasswd: {realm: rig, path: %s}", file))
	return r
}

func newRegistry(t testing.TB, options []Option) *Registry {
	t.Helper()
	r := &Registry{Push: User{"ci-push", rand.Text()}, Repository: owner + "/app"}
	for _, change := range options {
		change(t, r)
	}
	return r
}

// start runs the registry with an auth section and waits until it requires a login.
func (r *Registry) start(t testing.TB, program, auth string) {
	t.Helper()
	dir, port := t.TempDir(), freePort(t)
	r.Host = fmt.Sprintf("localhost:%d", port)
	r.URL = r.certs.scheme() + "://" + r.Host
	tls := ""
	if r.CAFile != "" {
		tls = fmt.Sprintf("\n  tls: {certificate: %s, key: %s}", r.certs.cert, r.certs.key)
	}
	conf := strings.NewReplacer("ADDR", loopback(port), "DIR", dir, "SECRET", rand.Text(), "TLS", tls, "AUTH", auth).Replace(`
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
storage:
  filesystem: {rootdirectory: DIR/data}
  delete: {enabled: true}
http:
  addr: ADDR
  secret: SECRETTLS
auth:
  AUTH
`)
	// Registry 3 sends traces to a local collector unless told not to.
	s := start(t, cleanEnv(dir, "OTEL_TRACES_EXPORTER=none"), program,
		"serve", write(t, filepath.Join(dir, "config.yml"), conf))
	s.ready(t, r.HTTPClient(t), r.URL+"/v2/", http.StatusUnauthorized)
}

// HTTPClient returns a client for the registry and its token server.
func (r *Registry) HTTPClient(t testing.TB) *http.Client {
	t.Helper()
	return r.certs.client(t)
}
