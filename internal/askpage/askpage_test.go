package askpage_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"purser/internal/askpage"
	"purser/internal/credential"
)

const token = "dckr_pat_" + "FAKEfakeFAKEfakeFAKEfake123"

func check(s credential.Secret) string {
	if s.Len() != len(token) {
		return "it is not whole"
	}
	return ""
}

func open(t testing.TB) *askpage.Form {
	t.Helper()
	f, err := askpage.Open(t.Context(), askpage.Config{
		Credential: "dockerhub", Registry: "docker.io", Account: "mockserver", Random: rand.Reader, Check: check,
		Destinations: []string{"mockserver-build/dockerhub in eu-west-2, AWS profile mockserver-build", "mockserver-release/dockerhub in us-east-1"},
		Steps: []askpage.Step{
			{Text: "Open Docker's page for personal access tokens", URL: "https://app.docker.com/settings/personal-access-tokens"},
			{Text: "Make one: description “purser dockerhub”, permission Read & Write, expiration 90 days"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// once finds the page's one-time value, which browsers post.
var once = regexp.MustCompile(`name="once" value="([\w-]{32})"`)

// filled adds the page's one-time value to a body.
func filled(t testing.TB, page http.Handler, address, body string) string {
	t.Helper()
	shown := httptest.NewRecorder()
	page.ServeHTTP(shown, httptest.NewRequest(http.MethodGet, address, nil))
	found := once.FindStringSubmatch(shown.Body.String())
	if found == nil {
		t.Fatal("the page's form has no one-time value")
	}
	return body + "&once=" + found[1]
}

// send makes one request and returns status and body.
func send(t *testing.T, method, address, body string, header map[string]string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		if k == "Host" {
			req.Host = v
			continue
		}
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), resp.Header
}

func paste(text string) string { return url.Values{"token": {text}}.Encode() }

func TestTheTokenIsGivenOnce(t *testing.T) {
	f := open(t)
	scripted := map[string]string{"Accept": "application/json"}
	post := func(text string) string { return filled(t, f, f.Address(), paste(text)) }
	if status, body, _ := send(t, "POST", f.Address(), post("dckr_pat_cut"), scripted); status != 422 || body != "it is not whole\n" {
		t.Errorf("a cut one: %d %q", status, body)
	}
	again := post(token)
	if status, _, _ := send(t, "POST", f.Address(), post("  "+token+"\n"), scripted); status != 202 {
		t.Errorf("the token: %d", status)
	}
	got, err := f.Ask(t.Context())
	if err != nil || !got.Equal(credential.NewSecret(token)) {
		t.Errorf("another text arrived: %v", err)
	}
	for method, body := range map[string]string{"POST": again, "GET": ""} {
		if status, text, _ := send(t, method, f.Address(), body, nil); status != 410 || !strings.Contains(text, "already used") {
			t.Errorf("a second %s: %d", method, status)
		}
	}
}

func TestWhoIsNotAnswered(t *testing.T) {
	f := open(t)
	host := strings.TrimPrefix(f.Address(), "http://")
	host, _, _ = strings.Cut(host, "/")
	root := "http://" + host
	good := filled(t, f, f.Address(), paste(token))
	for name, c := range map[string]struct {
		method, address, body string
		header                map[string]string
		want                  int
	}{
		"without the form's one-time value": {"POST", f.Address(), paste(token), nil, 403},
		"a guessed one-time value":          {"POST", f.Address(), paste(token) + "&once=" + strings.Repeat("A", 32), nil, 403},
		"the root":                          {"GET", root + "/", "", nil, 404},
		"another path":                      {"GET", f.Address() + "x", "", nil, 404},
		"a part of the path":                {"GET", f.Address()[:len(f.Address())-1], "", nil, 404},
		"a rebound name":                    {"GET", f.Address(), "", map[string]string{"Host": "evil.example"}, 421},
		"localhost by another name":         {"GET", f.Address(), "", map[string]string{"Host": "localhost:1"}, 421},
		"a post from elsewhere":             {"POST", f.Address(), good, map[string]string{"Origin": "https://evil.example"}, 403},
		"a post from no origin":             {"POST", f.Address(), good, map[string]string{"Origin": "null"}, 403},
		"a post across sites":               {"POST", f.Address(), good, map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"a post from another port":          {"POST", f.Address(), good, map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		"progress across sites":             {"GET", f.Address() + "/progress", "", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		"another method":                    {"DELETE", f.Address(), "", nil, 405},
		"not a form":                        {"POST", f.Address(), `{"token":"x"}`, map[string]string{"Content-Type": "application/json"}, 400},
		"two tokens":                        {"POST", f.Address(), "token=a&token=b", nil, 400},
		"no token":                          {"POST", f.Address(), "x=a", nil, 400},
		"100 MB":                            {"POST", f.Address(), "token=" + strings.Repeat("x", 100<<20), nil, 413},
	} {
		status, body, _ := send(t, c.method, c.address, c.body, c.header)
		if status != c.want || strings.Contains(body, "FAKE") {
			t.Errorf("%s: %d, want %d", name, status, c.want)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Millisecond)
	defer stop()
	if _, err := f.Ask(ctx); err == nil {
		t.Error("one of them gave a token")
	}
}

func TestThePageIsStrict(t *testing.T) {
	f := open(t)
	status, body, h := send(t, "GET", f.Address(), "", nil)
	if status != 200 {
		t.Fatal(status)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q", name, h.Get(name))
		}
	}
	policy := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy has no %s", want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(body, "http-equiv") || !strings.Contains(body, `autocomplete="off"`) {
		t.Error("the page or its policy is lax")
	}
	if strings.Contains(f.Address(), "localhost") || len(f.Address()) < len("http://127.0.0.1:1/")+30 {
		t.Errorf("the address is %s", f.Address())
	}
}

func TestThePageSaysWhoseTokenItIsAndWhereItGoes(t *testing.T) {
	_, body, _ := send(t, "GET", open(t).Address(), "", nil)
	for _, want := range []string{
		"<dd>docker.io</dd>", "<dd>mockserver</dd>",
		"<dd>mockserver-build/dockerhub in eu-west-2, AWS profile mockserver-build</dd>", "<dd>mockserver-release/dockerhub in us-east-1</dd>",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page does not say %s", want)
		}
	}
}

func TestTwoFormsDoNotMix(t *testing.T) {
	a, b := open(t), open(t)
	_, path, _ := strings.Cut(strings.TrimPrefix(a.Address(), "http://"), "/")
	host, _, _ := strings.Cut(strings.TrimPrefix(b.Address(), "http://"), "/")
	if status, _, _ := send(t, "GET", "http://"+host+"/"+path, "", nil); status != 404 {
		t.Errorf("one form answers under the other's address: %d", status)
	}
}

func TestThePageShowsAllResults(t *testing.T) {
	f := open(t)
	if status, _, _ := send(t, "POST", f.Address(), filled(t, f, f.Address(), paste(token)), map[string]string{"Accept": "application/json"}); status != 202 {
		t.Fatal(status)
	}
	f.Line("ok", "Proof", "pull and push <granted>")
	done := make(chan string)
	go func() {
		_, body, _ := send(t, "GET", f.Address()+"/progress", "", nil)
		done <- body
	}()
	f.Line("bad", "Stored", "not")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	want := "data: {\"mark\":\"ok\",\"step\":\"Proof\",\"text\":\"pull and push \\u003cgranted\\u003e\"}\n\ndata: {\"mark\":\"bad\",\"step\":\"Stored\",\"text\":\"not\"}\n\ndata: {\"mark\":\"end\",\"step\":\"\",\"text\":\"\"}\n\n"
	if got := <-done; got != want {
		t.Errorf("%q", got)
	}
}

func TestThePageClosesWhenNobodyAnswers(t *testing.T) {
	f, err := askpage.Open(t.Context(), askpage.Config{Random: rand.Reader, Check: check, Life: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Ask(t.Context()); credential.ReasonOf(err) != credential.Declined {
		t.Error(err)
	}
	if _, err := askpage.Open(t.Context(), askpage.Config{Random: bytes.NewReader(nil)}); err == nil {
		t.Error("an address without randomness")
	}
}

func FuzzNothingThatIsPostedComesBack(f *testing.F) {
	f.Add("token=" + token)
	f.Add("token=<script>alert(1)</script>")
	f.Add("x=%zz&token")
	f.Fuzz(func(t *testing.T, body string) {
		page := open(t)
		_, text, _ := send(t, "POST", page.Address(), filled(t, page, page.Address(), body+"&x=FAKEfakeFAKE"), map[string]string{"Accept": "application/json"})
		if strings.Contains(text, "FAKEfakeFAKE") || strings.Contains(text, "<script>alert") {
			t.Errorf("%q came back", body)
		}
	})
}
