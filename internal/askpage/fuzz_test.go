package askpage_test

import (
	"bufio"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"purser/internal/askpage"
)

func decisionPage(tb testing.TB) *askpage.DecisionPage {
	tb.Helper()
	page, err := askpage.OpenDecision(tb.Context(), askpage.Decision{Question: "Send it?", Random: rand.Reader})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = page.Close() })
	return page
}

// Neither page answers a request without its address, or tells the address.
func FuzzARequestOfAStranger(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", true)
	f.Add("POST /progress HTTP/1.1\r\nContent-Length: 10\r\nHost: x\r\n\r\nanswer=yes", false)
	f.Add("OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", true)
	token, decision := open(f), decisionPage(f)
	f.Fuzz(func(t *testing.T, raw string, rightHost bool) {
		for address, page := range map[string]http.Handler{token.Address(): token, decision.Address(): decision} {
			req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
			if err != nil {
				return // a server does not pass it on either
			}
			own, _ := url.Parse(address)
			if rightHost {
				req.Host = own.Host
			}
			answer := httptest.NewRecorder()
			page.ServeHTTP(answer, req)
			if answer.Code < http.StatusBadRequest || strings.Contains(answer.Body.String(), own.Path) {
				t.Errorf("%q was answered with %d", raw, answer.Code)
			}
		}
	})
}

// A page from another origin knows the address. Its yes does not count, whatever headers its
// browser sends.
func FuzzAnotherPageCannotAnswer(f *testing.F) {
	for _, origin := range []string{"", "null", "http://127.0.0.1", "https://evil.example", "own", "OWN/", "own, https://evil.example"} {
		f.Add(origin, "same-origin", "application/x-www-form-urlencoded")
		f.Add(origin, "cross-site", "text/plain")
		f.Add(origin, "", "application/x-www-form-urlencoded; charset=utf-8")
	}
	f.Fuzz(func(t *testing.T, origin, from, kind string) {
		page := decisionPage(t)
		own := strings.TrimSuffix(page.Address(), mustParse(t, page.Address()).Path)
		origin = strings.ReplaceAll(origin, "own", own)
		req := httptest.NewRequest(http.MethodPost, page.Address(), strings.NewReader(filled(t, page, page.Address(), "answer=yes")))
		for name, value := range map[string]string{"Origin": origin, "Sec-Fetch-Site": from, "Content-Type": kind} {
			req.Header.Set(name, value)
		}
		answer := httptest.NewRecorder()
		page.ServeHTTP(answer, req)
		// Browsers send an origin with every post, and "null" for the page's own posts only
		// with same-origin.
		stranger := origin != own && origin != "" && (origin != "null" || from != "same-origin") || from != "" && from != "same-origin"
		if stranger && answer.Code == http.StatusOK {
			t.Errorf("a yes of %q, %q counted", origin, from)
		}
		if !stranger && kind == "application/x-www-form-urlencoded" && answer.Code != http.StatusOK {
			t.Errorf("a yes of %q, %q did not count: %d", origin, from, answer.Code)
		}
	})
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
