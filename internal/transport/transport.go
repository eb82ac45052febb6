// Package transport carries purser's HTTP requests: which certificates are
// trusted, what may go over plain http, how much of an answer is read, and what
// of it is shown when a person asks for --debug.
package transport

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"purser/internal/credential"
)

// New trusts the system's certificates, or roots instead where they are given.
// A proxy of the environment is used for https only, where it carries a tunnel
// that it cannot read; plain http, which is for loopback, never goes through one.
func New(roots *x509.CertPool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone() // documented type
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	t.MaxIdleConnsPerHost = idlePerHost
	TellOfProxy(t)
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme != "https" {
			return nil, nil // the documented way to say: no proxy
		}
		return http.ProxyFromEnvironment(r)
	}
	return t
}

// TellOfProxy has a proxy that lets nothing through told by its name.
func TellOfProxy(t *http.Transport) {
	t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
		if answer.StatusCode == http.StatusOK {
			return nil
		}
		return &credential.ProxyRefusal{Proxy: credential.Quote(proxy.Host), Status: answer.StatusCode}
	}
}

// idlePerHost keeps the connections of many calls at once for the next ones.
const idlePerHost = 64

// Roots are PEM certificates to trust besides the system's; the path is for messages.
func Roots(pem []byte, path string) (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(pem) {
		return nil, &credential.Fault{Reason: credential.Usage, What: "read the certificates to trust", Why: path + " holds no PEM certificate"}
	}
	return roots, nil
}

// ErrPlainHTTP is why a request was not sent.
var ErrPlainHTTP = errors.New("plain http is allowed on loopback only")

// answerLimit is far above any answer that purser waits for; a secret has at
// most 64 KiB.
const answerLimit = 2 << 20

// Guard refuses to put a request on a connection that others can read, and ends
// an answer that has no end.
func Guard(next http.RoundTripper) http.RoundTripper { return guard{next} }

type guard struct{ next http.RoundTripper }

// RoundTrip sends one request.
func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !credential.IsLoopbackHost(r.URL.Hostname()) {
		return nil, fmt.Errorf("%s: %w", r.URL.Host, ErrPlainHTTP)
	}
	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = &bounded{resp.Body, answerLimit}
	return resp, nil
}

type bounded struct {
	io.ReadCloser
	left int
}

var errEndless = errors.New("the answer is longer than any that is waited for")

// Read gives what is left below the limit, then an error.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errEndless
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
