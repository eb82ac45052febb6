package transport_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"purser/internal/credential"
	"purser/internal/transport"
)

const canary = "dckr_pat_" + "FAKEcanaryFAKEcanaryFAKE000"

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func request(t *testing.T, method, address, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPlainHTTPGoesOnlyToLoopback(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://registry.example.com/": true, "http://127.0.0.1:5000/": true, "http://localhost/": true, "http://[::1]:80/": true,
		"http://registry.example.com/": false, "http://10.0.0.1/": false, "http://localhost.example.com/": false, "http://x.localhost/": false,
	} {
		sent := false
		carry := transport.Guard(roundTripper(func(*http.Request) (*http.Response, error) {
			sent = true
			return &http.Response{Body: http.NoBody}, nil
		}))
		_, err := carry.RoundTrip(request(t, http.MethodGet, address, "")) //nolint:bodyclose // there is no body
		if sent != ok || errors.Is(err, transport.ErrPlainHTTP) == ok {
			t.Errorf("%s: sent %v, error %v", address, sent, err)
		}
	}
}

// TestAProxyGetsOnlyTunnels uses a proxy that fails the test for any request but CONNECT.
func TestAProxyGetsOnlyTunnels(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(plain.Close)
	carry := transport.New(nil)
	if to, err := carry.Proxy(request(t, http.MethodGet, plain.URL, "")); to != nil || err != nil {
		t.Errorf("plain http goes through %v, %v", to, err)
	}
	resp, err := transport.Guard(carry).RoundTrip(request(t, http.MethodGet, plain.URL, ""))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if len(asked) != 0 {
		t.Errorf("the proxy was asked %v", asked)
	}
}

func TestAnEndlessAnswerIsCutOff(t *testing.T) {
	carry := transport.Guard(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{Body: io.NopCloser(endless{})}, nil
	}))
	resp, err := carry.RoundTrip(request(t, http.MethodGet, "https://registry.example.com/", ""))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil || n > 4<<20 {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestATraceShowsNoSecrets sends the canary in every way in which purser sends secrets, to a
// server that repeats it.
func TestATraceShowsNoSecrets(t *testing.T) {
	hostile := roundTripper(func(r *http.Request) (*http.Response, error) {
		_, password, _ := r.BasicAuth()
		return &http.Response{
			StatusCode: http.StatusInternalServerError,
			Header:     http.Header{"Retry-After": {password}, "Content-Type": {canary}, "X-Other": {canary}, "Date": {"\x1b[2J" + canary}},
			Body:       io.NopCloser(strings.NewReader(`{"message":"` + canary + `","` + canary + `":"x","code":"` + canary + `","detail":{"a":"` + canary + `"}}`)),
		}, nil
	})
	cases := map[string]func(*http.Request){
		"basic":  func(r *http.Request) { r.SetBasicAuth("mockserver", canary) },
		"bearer": func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+canary) },
		"portal": func(r *http.Request) { r.Header.Set("X-Amz-Sso_bearer_token", canary) },
	}
	members := []string{"secret", "clientSecret", "refreshToken", "deviceCode", "code", "codeVerifier"}
	for _, member := range members {
		cases[member] = func(*http.Request) {}
	}
	for name, prepare := range cases {
		body := ""
		if slices.Contains(members, name) {
			body = `{"identifier":"mockserver","` + name + `":"` + canary + `"}`
		}
		var out strings.Builder
		carry := transport.NewTrace(&out).Wrap(hostile)
		for _, address := range []string{"https://registry.example.com/v2/", "https://registry.example.com/v2/" + canary + "?x=" + canary} {
			r := request(t, http.MethodPost, address, body)
			prepare(r)
			resp, err := carry.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			read, err := io.ReadAll(resp.Body)
			if err != nil || !strings.Contains(string(read), canary) {
				t.Errorf("%s: the answer did not come through: %v", name, err)
			}
			_ = resp.Body.Close()
		}
		if credential.Shows(out.String(), credential.NewSecret(canary)) || strings.Contains(out.String(), "\x1b") {
			t.Errorf("%s: the trace shows it:\n%s", name, out.String())
		}
		if !strings.Contains(out.String(), "debug: POST https://registry.example.com/v2/") || !strings.Contains(out.String(), "< 500 in") {
			t.Errorf("%s: the trace says too little:\n%s", name, out.String())
		}
	}
}

func TestATraceShowsASecretsNameButNotItsValue(t *testing.T) {
	var out strings.Builder
	carry := transport.NewTrace(&out).Wrap(roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"ARN":"arn:x","SecretString":"{\"username\":\"mockserver\",\"token\":\"` + canary + `\"}"}`))}, nil
	}))
	r := request(t, http.MethodPost, "https://secretsmanager.eu-west-2.amazonaws.com/", `{"SecretId":"mockserver-build/dockerhub","SecretString":"{\"username\":\"mockserver\",\"token\":\"`+canary+`\"}"}`)
	resp, err := carry.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if credential.Shows(out.String(), credential.NewSecret(canary)) {
		t.Errorf("the trace shows it:\n%s", out.String())
	}
	if !strings.Contains(out.String(), `SecretId="mockserver-build/dockerhub"`) {
		t.Errorf("the trace says too little:\n%s", out.String())
	}
}

// TestAProxyThatLetsNothingThroughIsNamed has proxies between purser and a host, and one
// whose certificate the machine does not know.
func TestAProxyThatLetsNothingThroughIsNamed(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusProxyAuthRequired: "asks for a user name and a password (407)",
		http.StatusForbidden:         "refused the connection (403)",
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(proxy.Close)
		carry := transport.New(nil)
		at, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		at.User = url.UserPassword("anna", "secret-of-anna")
		carry.Proxy = http.ProxyURL(at)
		_, err = carry.RoundTrip(request(t, http.MethodGet, "https://registry.example.com/v2/", "")) //nolint:bodyclose // there is none
		why := credential.Unanswered(err, "--ca")
		if !strings.Contains(why, want) || !strings.Contains(why, at.Host) || strings.Contains(why, "secret-of-anna") {
			t.Errorf("%d: %s", status, why)
		}
	}
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	carry := transport.New(nil)
	at, err := url.Parse(gone.URL)
	if err != nil {
		t.Fatal(err)
	}
	carry.Proxy = http.ProxyURL(at)
	_, err = carry.RoundTrip(request(t, http.MethodGet, "https://registry.example.com/v2/", "")) //nolint:bodyclose // there is none
	if why := credential.Unanswered(err, "--ca"); !strings.Contains(why, "cannot reach the proxy of HTTPS_PROXY") {
		t.Error(why)
	}
	looks := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(looks.Close)
	_, err = transport.New(nil).RoundTrip(request(t, http.MethodGet, looks.URL, "")) //nolint:bodyclose // there is none
	if why := credential.Unanswered(err, "--ca"); !strings.Contains(why, "signed by “O=Acme Co”") || !strings.Contains(why, "a proxy that inspects TLS") || !strings.HasSuffix(why, "with --ca") {
		t.Error(why)
	}
}
