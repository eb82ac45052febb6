package transport

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"purser/internal/credential"
)

// These lists are what a trace shows. Everything else is omitted or counted.
var (
	shownHeaders = []string{
		"Content-Length", "Content-Type", "Date", "Docker-Distribution-Api-Version", "Retry-After",
		"X-Amz-Target", "X-Amzn-Requestid", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset",
	}
	shownParameters = []string{"n", "scope", "service"}
	shownMembers    = []string{
		"__type", "code", "detail", "details", "error", "errors", "message", "Message", "name", "expires_in",
		"ARN", "Name", "SecretId", "VersionId", "VersionStage", "VersionStages", "VersionIdsToStages",
		"ClientRequestToken", "MoveToVersionId", "RemoveFromVersionId",
	}
)

// Trace writes a few lines about each request: method, address, status, time, and the listed
// headers and body members. It learns the secrets that requests and answers carry, and shows
// no text that repeats one.
type Trace struct {
	out io.Writer

	mu   sync.Mutex // guards out and seen
	seen []credential.Secret
}

// NewTrace writes to out.
func NewTrace(out io.Writer) *Trace { return &Trace{out: out} }

// Wrap traces the requests that go through next.
func (t *Trace) Wrap(next http.RoundTripper) http.RoundTripper { return traced{t, next} }

type traced struct {
	*Trace
	next http.RoundTripper
}

// RoundTrip sends a request and traces it.
func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, err := peek(&r.Body)
	if err != nil {
		return nil, err
	}
	t.learn(r, sent)
	began := time.Now()
	resp, err := t.next.RoundTrip(r)
	took := time.Since(began).Round(time.Millisecond)
	if err != nil {
		t.write("%s %s: %s after %v\n", r.Method, t.address(r.URL), t.quote(credential.Innermost(err)), took)
		return nil, err
	}
	got, err := peek(&resp.Body)
	if err != nil {
		t.write("%s %s: %d, but the answer was cut off after %v\n", r.Method, t.address(r.URL), resp.StatusCode, took)
		return nil, err
	}
	t.learnAnswer(got)
	t.write("%s %s\n  > %s %s\n  < %d in %v %s %s\n", r.Method, t.address(r.URL),
		t.headers(r.Header), t.body(sent), resp.StatusCode, took, t.headers(resp.Header), t.body(got))
	return resp, nil
}

func peek(body *io.ReadCloser) ([]byte, error) {
	if *body == nil || *body == http.NoBody {
		return nil, nil
	}
	raw, err := io.ReadAll(*body)
	_ = (*body).Close()
	*body = io.NopCloser(bytes.NewReader(raw))
	return raw, err
}

func (t *Trace) learn(r *http.Request, body []byte) {
	_, password, _ := r.BasicAuth()
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if strings.Contains(bearer, " ") {
		bearer = "" // another scheme; AWS's signatures are no secrets
	}
	t.remember(password, bearer, r.Header.Get("X-Amz-Security-Token"), r.Header.Get("X-Amz-Sso_bearer_token"))
	var sent struct{ Secret, SecretString, ClientSecret, RefreshToken, DeviceCode, Code, CodeVerifier string }
	if json.Unmarshal(body, &sent) == nil {
		t.remember(sent.Secret, sent.ClientSecret, sent.RefreshToken, sent.DeviceCode, sent.Code, sent.CodeVerifier)
		t.learnValue(sent.SecretString)
	}
}

// learnValue remembers the secrets in a stored value: everything but account names, which
// occur in too many messages.
func (t *Trace) learnValue(text string) {
	var value map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &value) != nil {
		t.remember(text)
		return
	}
	for key, raw := range value {
		var member string
		if json.Unmarshal(raw, &member) == nil && !strings.HasPrefix(strings.ToLower(key), "user") {
			t.remember(member)
		}
	}
}

func (t *Trace) learnAnswer(body []byte) {
	var got struct {
		Token                                                string `json:"token"`
		AccessToken                                          string `json:"access_token"`
		Session                                              string `json:"accessToken"`
		SecretString, ClientSecret, RefreshToken, DeviceCode string
	}
	if json.Unmarshal(body, &got) == nil {
		t.remember(got.Token, got.AccessToken, got.Session, got.ClientSecret, got.RefreshToken, got.DeviceCode)
		t.learnValue(got.SecretString)
	}
}

// shortest is the length from which a text counts as a secret, not as a word.
const shortest = 8

func (t *Trace) remember(texts ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, text := range texts {
		s := credential.NewSecret(text)
		if len(text) >= shortest && !slices.ContainsFunc(t.seen, s.Equal) {
			t.seen = append(t.seen, s)
		}
	}
}

func (t *Trace) quote(text string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return credential.Quote(text, t.seen...)
}

func (t *Trace) write(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = fmt.Fprintf(t.out, "debug: "+format, args...)
}

func (t *Trace) address(u *url.URL) string {
	shown := url.Values{}
	for key, values := range u.Query() {
		if slices.Contains(shownParameters, key) {
			shown[key] = values
		}
	}
	text := u.Scheme + "://" + u.Host + u.EscapedPath()
	if len(shown) > 0 {
		plain, err := url.QueryUnescape(shown.Encode())
		if err == nil {
			text += "?" + plain
		}
	}
	return t.quote(text)
}

func (t *Trace) headers(h http.Header) string {
	var parts []string
	for _, name := range shownHeaders {
		if v := h.Get(name); v != "" {
			parts = append(parts, name+": "+t.quote(v))
		}
	}
	return strings.Join(parts, ", ")
}

// body shows the listed members of a JSON object, and counts the others.
func (t *Trace) body(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return fmt.Sprintf("(%d bytes, not a JSON object)", len(raw))
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if slices.Contains(shownMembers, key) {
			parts = append(parts, key+"="+t.quote(string(object[key])))
		}
	}
	if hidden := len(object) - len(parts); hidden > 0 {
		parts = append(parts, fmt.Sprintf("(%d not shown)", hidden))
	}
	return "{" + strings.Join(parts, " ") + "}"
}
