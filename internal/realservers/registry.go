package realservers

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// User is an account of a registry. The password is new in every test, so that
// a text which holds it can only have it from this registry.
type User struct{ Name, Password string }

// Registry is a running registry.
type Registry struct {
	Host   string // localhost:PORT
	URL    string // http://HOST, or https://HOST with TLS
	CAFile string // the CA to trust, PEM; "" without TLS

	Push User // may pull and push
	Pull User // may pull; has no name where the registry knows no rights

	Repository string // both have their rights here and beside it; see Seed
	Foreign    string // a repository that gives nobody any rights

	certs certs
}

// Option changes how a registry is started.
type Option func(testing.TB, *Registry)

// WithTLS puts the registry and its token server behind certificates of a
// private CA, whose file is Registry.CAFile.
func WithTLS(t testing.TB, r *Registry) {
	t.Helper()
	r.certs = newCerts(t)
	r.CAFile = r.certs.ca
}

// Registry2 starts Debian's docker-registry, distribution 2.8, which asks a token
// server for rights. User ci-push may pull and push under team/, user ci-pull may
// pull there and is given less than it asks for; neither has rights elsewhere.
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
	key := "rootcertbundle: " + ts.certFile
	if name == "registry" {
		key = "jwks: " + ts.jwksFile
	}
	r.start(t, program, fmt.Sprintf("token: {realm: %q, service: %s, issuer: %s, %s}",
		ts.realm, tokenService, tokenIssuer, key))
	return r
}

// TokenService is a token service that is not the one of this package.
type TokenService struct{ Realm, Service, Issuer, KeySet string }

// RegistryFor starts distribution 3 with a token service of the caller's. It is reached
// in plain http, and its accounts are the service's.
func RegistryFor(t testing.TB, ts TokenService) *Registry {
	t.Helper()
	program := Need(t, "registry")
	r := &Registry{}
	r.start(t, program, fmt.Sprintf("token: {realm: %q, service: %s, issuer: %s, jwks: %s}",
		ts.Realm, ts.Service, ts.Issuer, write(t, filepath.Join(t.TempDir(), "jwks.json"), ts.KeySet)))
	return r
}

// BasicRegistry starts Debian's docker-registry with a password file: it has one
// user, ci-push, who may do everything, and knows neither tokens nor scopes.
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

// start runs the registry with the auth section given and waits until it asks
// for a login.
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
	// Registry 3 sends traces to a collector on this machine unless told not to.
	s := start(t, cleanEnv(dir, "OTEL_TRACES_EXPORTER=none"), program,
		"serve", write(t, filepath.Join(dir, "config.yml"), conf))
	s.ready(t, r.HTTPClient(t), r.URL+"/v2/", http.StatusUnauthorized)
}

// HTTPClient is a client that reaches the registry and its token server.
func (r *Registry) HTTPClient(t testing.TB) *http.Client {
	t.Helper()
	return r.certs.client(t)
}
