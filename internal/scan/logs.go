package scan

import (
	"context"
	"encoding/json"
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

// Logs are the build logs of one project at a CI service.
type Logs struct {
	Service string // a name in services
	Project string // as the service names it; for Jenkins the job's address
	Build   string // one build; "": the latest
	// Login signs in to the service's API, with a token that needs to read builds and their
	// logs, nothing else. Jenkins wants the user as well, or USER:TOKEN. Empty: without.
	Login credential.Login
	// Base is the API's address, where it is not the service's own.
	Base string
	// Since is the time of the oldest build to search; zero: all of the latest.
	Since time.Time

	Transport http.RoundTripper // nil: Go's own
	Wait      func(context.Context, time.Duration) error
}

// service is a CI service. Its file has the documentation of its API.
type service struct {
	base string
	// sign adds the token to a request.
	sign func(*http.Request, credential.Login)
	// list calls each for every log of the project, the newest build first.
	list func(ctx context.Context, c *logClient, each func(buildLog) error) error
	// token says for a person what the token must be.
	token string
}

// buildLog is one log.
type buildLog struct {
	build string // its address or number, for people
	step  string
	path  string // of the API, below the base
}

var services = map[string]service{"buildkite": buildkite, "github": githubActions, "gitlab": gitlabCI, "jenkins": jenkins}

const (
	// mostBuilds bounds how many builds are searched without a Since.
	mostBuilds = 100
	// mostPages bounds the pages of a list, whatever a server says.
	mostPages = 1000
	// mostAnswer bounds an answer that is no log.
	mostAnswer = 16 << 20
	// longestAnswer bounds the wait for an answer to begin.
	longestAnswer = 30 * time.Second
	// longestPause bounds a pause that a service asks for, and mostPauses how many in a row.
	longestPause = 10 * time.Minute
	mostPauses   = 5
)

// LogPlaces are the forms that ParseLogs understands, for help of 80 columns.
const LogPlaces = "buildkite:ORG/PIPELINE, github:OWNER/REPO, gitlab:GROUP/PROJECT\nor jenkins:ADDRESS"

// ParseLogs understands LogPlaces, each with #BUILD if only one build is meant. ok is false for
// other texts.
func ParseLogs(text string) (l Logs, ok bool, err error) {
	name, rest, found := strings.Cut(text, ":")
	if _, known := services[name]; !found || !known {
		return Logs{}, false, nil
	}
	l = Logs{Service: name}
	l.Project, l.Build, _ = strings.Cut(rest, "#")
	wrong := func(want string) error {
		return &credential.Fault{Reason: credential.Usage, What: credential.Quote(text) + " names no builds", Why: "write " + want}
	}
	if name == "jenkins" {
		u, err := url.Parse(l.Project)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || !safe(u) {
			return l, true, wrong("jenkins:https://HOST/job/NAME, without a password in it")
		}
		l.Base, l.Project = strings.TrimSuffix(l.Project, "/"), u.Path
		return l, true, nil
	}
	if parts := strings.Split(l.Project, "/"); len(parts) < 2 || len(parts) > 2 && name != "gitlab" || !isPlain(parts...) {
		return l, true, wrong(name + ":OWNER/PROJECT, as in " + name + ":acme/widget")
	}
	if l.Build != "" && !isNumber(l.Build) {
		return l, true, wrong("the build's number behind #")
	}
	return l, true, nil
}

func isNumber(text string) bool { _, err := strconv.ParseUint(text, 10, 64); return err == nil }

// isPlain keeps names from leading to other paths of an API.
func isPlain(names ...string) bool {
	for _, name := range names {
		if name == "" || strings.Trim(name, ".") == "" || strings.ContainsFunc(name, func(r rune) bool {
			return !strings.ContainsRune("._-", r) && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
		}) {
			return false
		}
	}
	return true
}

// safe reports whether a token may go to an address: over TLS, or on this machine.
func safe(u *url.URL) bool {
	return u.Scheme == "https" || u.Scheme == "http" && credential.IsLoopbackHost(u.Hostname())
}

// Logs searches the logs of a project.
func (s *Scanner) Logs(ctx context.Context, l Logs) error {
	kind := services[l.Service]
	if l.Transport == nil {
		own := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http says so
		own.ResponseHeaderTimeout = longestAnswer
		l.Transport = own
	}
	c := &logClient{Logs: l, kind: kind, http: &http.Client{
		Transport:     l.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if c.Base == "" {
		c.Base = kind.base
	}
	where := Where{Path: l.Service + ":" + l.Project}
	err := kind.list(ctx, c, func(one buildLog) error {
		at := where
		at.Path, at.Step = at.Path+"#"+one.build, one.step
		resp, err := c.get(ctx, one.path)
		if err != nil {
			if ctx.Err() == nil {
				s.Miss(at, logWhy(err))
			}
			return ctx.Err()
		}
		defer func() { _ = resp.Body.Close() }()
		return s.Look(ctx, at, resp.Body)
	})
	if err != nil && ctx.Err() == nil {
		s.Miss(where, logWhy(err))
	}
	return ctx.Err()
}

// logClient asks a service's API.
type logClient struct {
	Logs
	kind service
	http *http.Client
	seen int // builds
}

// statusError is an answer without a log.
type statusError struct {
	code  int
	token string
}

func (e *statusError) Error() string {
	switch e.code {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the service does not let you read it; it wants " + e.token
	case http.StatusNotFound:
		return "the service does not have it, or does not show it to you; it wants " + e.token
	case http.StatusGone:
		return "the service has deleted it"
	}
	return fmt.Sprintf("the service answered %d %s", e.code, http.StatusText(e.code))
}

var errElsewhere = errors.New("the service sent purser to an address without TLS, or in circles")

func logWhy(err error) string {
	if e, ok := errors.AsType[*statusError](err); ok {
		return e.Error()
	}
	if errors.Is(err, errElsewhere) {
		return err.Error()
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		return credential.Quote("no answer: " + credential.InWords(e.Err.Error()))
	}
	return credential.Quote(err.Error())
}

// get asks for a path. The token goes to the base's host only: an answer that leads elsewhere,
// as to the storage of logs, is followed without it. It pauses when the service asks for that.
func (c *logClient) get(ctx context.Context, path string) (*http.Response, error) {
	address, err := url.Parse(c.Base + path)
	if err != nil || !safe(address) {
		return nil, errElsewhere
	}
	signed, pauses := true, 0
	for range 2 * mostPauses {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), http.NoBody)
		if err != nil {
			return nil, err
		}
		if signed && !c.Login.Token.IsZero() {
			c.kind.sign(req, c.Login)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode == http.StatusOK {
			return resp, nil
		}
		_ = resp.Body.Close()
		pause, asked := pauseOf(resp)
		switch {
		case resp.StatusCode/100 == 3:
			next, err := address.Parse(resp.Header.Get("Location"))
			if err != nil || !safe(next) {
				return nil, errElsewhere
			}
			signed = signed && next.Host == address.Host && next.Scheme == address.Scheme
			address = next
		case asked && pauses < mostPauses:
			pauses++
			if err := c.Wait(ctx, pause); err != nil {
				return nil, err
			}
		default:
			return nil, &statusError{resp.StatusCode, c.kind.token}
		}
	}
	return nil, errElsewhere
}

// pauseOf returns for how long a service wants to be left alone: Retry-After, or the end of
// its window.
func pauseOf(resp *http.Response) (time.Duration, bool) {
	limited := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable ||
		resp.StatusCode == http.StatusForbidden && (resp.Header.Get("X-RateLimit-Remaining") == "0" || resp.Header.Get("Retry-After") != "")
	if !limited {
		return 0, false
	}
	for _, name := range []string{"Retry-After", "RateLimit-Reset"} { // in seconds
		if n, err := strconv.Atoi(resp.Header.Get(name)); err == nil && n >= 0 && time.Duration(n)*time.Second <= longestPause {
			return time.Duration(n) * time.Second, true
		}
	}
	return time.Minute, true
}

// into asks for a path and reads its JSON. It returns the path of the next page; "" if there
// is none.
func (c *logClient) into(ctx context.Context, path string, v any) (next string, err error) {
	resp, err := c.get(ctx, path)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(resp.Body, mostAnswer)).Decode(v); err != nil {
		return "", errors.New("the service's answer is not the JSON that its documentation describes")
	}
	return c.nextPage(resp.Header.Get("Link")), nil
}

// nextPage reads the address of the next page, RFC 8288, if it is of the same API.
func (c *logClient) nextPage(link string) string {
	for part := range strings.SplitSeq(link, ",") {
		address, rel, ok := strings.Cut(strings.TrimSpace(part), ">")
		if !ok || !strings.Contains(rel, `rel="next"`) {
			continue
		}
		if path, ok := strings.CutPrefix(strings.TrimPrefix(address, "<"), c.Base); ok && strings.HasPrefix(path, "/") {
			return path
		}
	}
	return ""
}

// pages asks for all pages of a list, until more returns false.
func pages[T any](ctx context.Context, c *logClient, path string, more func(T) (bool, error)) error {
	for range mostPages {
		var page T
		next, err := c.into(ctx, path, &page)
		if err != nil {
			return err
		}
		if on, err := more(page); err != nil || !on || next == "" {
			return err
		}
		path = next
	}
	return errors.New("the service's list does not end")
}
