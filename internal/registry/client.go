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
	// bodyLimit is far above any token or error a registry sends.
	bodyLimit = 1 << 20
)

// Config says how a Client reaches registries.
type Config struct {
	// Transport carries the requests; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// Timeout is the longest wait for one answer; 0 means 15 s.
	Timeout time.Duration
	// Wait pauses before the one repetition that a proof makes; nil waits on the
	// clock. Tests pass their own.
	Wait func(ctx context.Context, d time.Duration) error
	// Now is the clock; nil means time.Now. It reads Retry-After dates.
	Now func() time.Time
	// Hold has the credential helpers of this machine keep no login until it is released,
	// which tokens are ended between; nil: nothing is kept.
	Hold func() (release func())
}

// Client proves logins. It is safe for concurrent use.
type Client struct {
	http *http.Client
	wait func(context.Context, time.Duration) error
	now  func() time.Time
	hold func() (release func())
}

// New makes a Client.
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
			// A redirect is an answer, never followed: it would carry the token along.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		wait: cfg.Wait, now: cfg.Now, hold: cfg.Hold,
	}
}

func wait(ctx context.Context, d time.Duration) error {
	return credential.Wait(ctx, d, "waiting until a registry may be asked again")
}

// Wait pauses, as its configuration says.
func (c *Client) Wait(ctx context.Context, d time.Duration) error { return c.wait(ctx, d) }

// Now is its clock.
func (c *Client) Now() time.Time { return c.now() }

// Hold has nobody on this machine keep a login until it is released.
func (c *Client) Hold() (release func()) { return c.hold() }

// Answer is one answer of a registry, its body cut at bodyLimit.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	URL    *url.URL            // what was asked
	Secret []credential.Secret // what must not be quoted of it, besides what the Authorization header held
	sent   credential.Secret
}

// OK reports whether the status is one of success.
func (a *Answer) OK() bool { return a.Status >= 200 && a.Status < 300 }

// Auth puts a secret into the Authorization header of a request and says which;
// nil sends none.
type Auth func(*http.Request) credential.Secret

func basic(l credential.Login) Auth {
	return func(r *http.Request) credential.Secret {
		r.SetBasicAuth(l.Username, l.Token.Reveal())
		return l.Token
	}
}

// Bearer sends a bearer.
func Bearer(token credential.Secret) Auth {
	return func(r *http.Request) credential.Secret {
		r.Header.Set("Authorization", "Bearer "+token.Reveal())
		return token
	}
}

// Do sends one request. It refuses to put a secret on a connection that others
// can read. The error is a *credential.Fault about the connection; any status
// that the server answered is not an error.
func (c *Client) Do(ctx context.Context, method string, u *url.URL, body string, with Auth) (*Answer, error) {
	if u.Scheme != "https" && !credential.IsLoopbackHost(u.Hostname()) {
		return nil, unsafeFault("a token is not sent over plain http to " + u.Host)
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

// connectionFault says why there was no answer, in words that lead somewhere.
// The errors of net/http hold the request's URL and no header.
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

// retryAfter reads how long a 429 asks to be left alone: Retry-After in seconds
// or as a date (RFC 9110 section 10.2.3), or Docker Hub's older X-Retry-After,
// a Unix time. 0 when it does not say.
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
