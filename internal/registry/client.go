package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"purser/internal/credential"
)

const (
	defaultTimeout = 15 * time.Second
	// bodyLimit is far above any token or error, in bytes.
	bodyLimit = 1 << 20
)

// Config configures a Client.
type Config struct {
	// Transport sends the requests; nil: http.DefaultTransport.
	Transport http.RoundTripper
	// Timeout limits one request; 0: 15 s.
	Timeout time.Duration
	// Wait pauses before a proof's only retry; nil: a timer.
	Wait func(ctx context.Context, d time.Duration) error
	// Now is the clock for Retry-After dates; nil: time.Now.
	Now func() time.Time
	// Hold stops this machine's credential helpers from caching a login until release. Tokens are
	// revoked in between; nil: nothing is cached.
	Hold func() (release func())
}

// Client proves logins. It is safe for concurrent use.
type Client struct {
	http *http.Client
	wait func(context.Context, time.Duration) error
	now  func() time.Time
	hold func() (release func())
}

// New returns a Client.
func New(cfg Config) *Client {
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	if cfg.Wait == nil {
		cfg.Wait = wait
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Hold == nil {
		cfg.Hold = func() func() { return func() {} }
	}
	return &Client{
		http: &http.Client{
			Transport: cfg.Transport, Timeout: cfg.Timeout,
			// Never follow a redirect, which would take the token along.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		wait: cfg.Wait, now: cfg.Now, hold: cfg.Hold,
	}
}

func wait(ctx context.Context, d time.Duration) error {
	return credential.Wait(ctx, d, "waiting for a registry's rate limit")
}

// Wait pauses like Config.Wait.
func (c *Client) Wait(ctx context.Context, d time.Duration) error { return c.wait(ctx, d) }

// Now returns the time.
func (c *Client) Now() time.Time { return c.now() }

// Hold stops this machine's credential helpers from caching logins until release.
func (c *Client) Hold() (release func()) { return c.hold() }

// Answer is a registry's answer, with its body cut at bodyLimit.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	URL    *url.URL            // of the request
	Secret []credential.Secret // what must not be quoted, besides the Authorization header's secret
	sent   credential.Secret
}

// OK reports a 2xx status.
func (a *Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Auth sets the Authorization header and returns the secret in it. A nil Auth sends none.
type Auth func(*http.Request) credential.Secret

func basic(l credential.Login) Auth {
	return func(r *http.Request) credential.Secret {
		r.SetBasicAuth(l.Username, l.Token.Reveal())
		return l.Token
	}
}

// Bearer authenticates with a bearer token.
func Bearer(token credential.Secret) Auth {
	return func(r *http.Request) credential.Secret {
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
		return token
	}
}

// Do sends a request. It refuses to send it over a connection that others can read. Its error is a
// *credential.Fault about the connection; no HTTP status is an error.
func (c *Client) Do(ctx context.Context, method string, u *url.URL, body string, with Auth) (*Answer, error) {
	if u.Scheme != "https" && !credential.IsLoopbackHost(u.Hostname()) {
		return nil, unsafeFault("purser sends no token over plain http to " + u.Host)
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make a request to %s: %w", u.Host, err)
	}
	req.Header.Set("User-Agent", "purser")
	req.Header.Set("Accept", "application/json")
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	var sent credential.Secret
	if with != nil {
		sent = with(req)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, connectionFault(ctx, u.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(io.LimitReader(resp.Body, bodyLimit))
	if err != nil {
		return nil, connectionFault(ctx, u.Host, err)
	}
	return &Answer{Status: resp.StatusCode, Header: resp.Header, Body: read, URL: u, sent: sent}, nil
}

func unsafeFault(why string) *credential.Fault {
	return &credential.Fault{Reason: credential.RegistryUnsafe, What: "the token was not sent", Why: why}
}

// connectionFault explains why there was no answer. net/http's errors contain the URL, but no headers.
func connectionFault(ctx context.Context, host string, err error) *credential.Fault {
	if f := credential.Ended(ctx, "asking "+host); f != nil {
		return f
	}
	f := &credential.Fault{Reason: credential.RegistryUnreachable, Host: host, What: "no answer from " + host, Err: err}
	if errors.Is(ctx.Err(), context.Canceled) {
		f.Why = "interrupted"
	} else {
		f.Why = credential.Unanswered(err, "ca: in purser.yaml or --ca")
	}
	return f
}

// retryAfter returns how long a 429 asks to wait: Retry-After in seconds or as a date (RFC 9110 section
// 10.2.3), or Docker Hub's older X-Retry-After, a Unix time. 0: it does not say.
func (c *Client) retryAfter(h http.Header) time.Duration {
	until := func(t time.Time) time.Duration { return max(0, t.Sub(c.now()).Round(time.Second)) }
	if text := h.Get("Retry-After"); text != "" {
		if n, err := strconv.Atoi(text); err == nil {
			return time.Duration(max(0, n)) * time.Second
		}
		if t, err := http.ParseTime(text); err == nil {
			return until(t)
		}
	}
	if n, err := strconv.ParseInt(h.Get("X-Retry-After"), 10, 64); err == nil {
		return until(time.Unix(n, 0))
	}
	return 0
}
