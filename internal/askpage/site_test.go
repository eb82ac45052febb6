package askpage_test

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"purser/internal/askpage"
	"purser/internal/credential"
)

// promptly limits how long a browser may wait for the page. Requests to loopback take a few
// milliseconds.
const promptly = 2 * time.Second

// Another program on this machine opens many connections and never finishes a request, while
// a person gives a token.
func TestHalfOpenConnectionsDoNotStarveThePerson(t *testing.T) {
	for _, n := range []int{40, 400} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			f := open(t)
			body := filled(t, f, f.Address(), paste(token))
			halfOpen(t, f, n)
			began := time.Now()
			client := &http.Client{Timeout: promptly, Transport: &http.Transport{}}
			resp, err := client.Get(f.Address())
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			// The connection that has sent the path survives all later ones.
			halfOpen(t, f, n)
			req, err := http.NewRequest(http.MethodPost, f.Address(), strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Accept", "application/json")
			if resp, err = client.Do(req); err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			t.Logf("the page and the answer took %v", time.Since(began))
			if got, err := f.Ask(t.Context()); err != nil || !got.Equal(credential.NewSecret(token)) {
				t.Errorf("the token did not arrive: %v", err)
			}
		})
	}
}

// halfOpen opens connections to the page and sends a part of a request on each.
func halfOpen(t *testing.T, f *askpage.Form, n int) {
	t.Helper()
	host, _, _ := strings.Cut(strings.TrimPrefix(f.Address(), "http://"), "/")
	for range n {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		_, _ = io.WriteString(c, "GET /guess HTTP/1.1\r\nHost: ") // the page may already have closed it
	}
}
