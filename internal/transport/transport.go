// Package transport carries purser's HTTP requests. It decides which certificates to trust,
// what may use plain http, how much of an answer to read, and what --debug shows.
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

// New returns a transport that trusts roots, or the system's certificates if roots is nil. It
// uses the environment's proxy only for https, where the proxy carries a tunnel that it
// cannot read; plain http, which is for loopback, never uses one.
func New(roots *x509.CertPool) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone() // documented type
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	t.MaxIdleConnsPerHost = idlePerHost
	TellOfProxy(t)
	t.Proxy = func(r *http.Request) (*url.URL, error) {
		if r.URL.Scheme != "https" {
			return nil, nil // no proxy, as documented
		}
		return http.ProxyFromEnvironment(r)
	}
	return t
}

// TellOfProxy names the proxy in the error when it refuses a connection.
func TellOfProxy(t *http.Transport) {
	t.OnProxyConnectResponse = func(_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response) error {
		if answer.StatusCode == http.StatusOK {
			return nil
		}
		return &credential.ProxyRefusal{Proxy: credential.Quote(proxy.Host), Status: answer.StatusCode}
	}
}

// idlePerHost keeps the connections of concurrent calls for later ones.
const idlePerHost = 64

// Roots returns the system's certificates plus the PEM ones; path is for the message.
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

// ErrPlainHTTP is why Guard refuses a request.
var ErrPlainHTTP = errors.New("plain http is allowed on loopback only")

// answerLimit is far above any answer that purser needs, in bytes; a secret has at most
// 64 KiB.
const answerLimit = 2 << 20

// Guard refuses requests over connections that others can read, and limits answers.
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

var errEndless = errors.New("the answer is larger than purser accepts")

// Read returns the answer up to the limit, then an error.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errEndless
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
