package askpage

import (
	"bytes"
	"context"
	"crypto/subtle"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"purser/internal/credential"
)

const (
	// addressLength is the number of random bytes in a page's address.
	addressLength = 24
	// bodyLimit is longer than any token, in bytes.
	bodyLimit = 64 << 10
	// defaultLife is how long a page waits for the person.
	defaultLife = 10 * time.Minute
	maxHeader   = 16 << 10
	headerLimit = 5 * time.Second  // for a request's header
	readLimit   = 10 * time.Second // for a whole request
	idleLimit   = 30 * time.Second // between two requests
)

const unseenText = "This did not come from purser’s page. Open the page and answer there."

const otherPageText = "Another page sent this, so purser did not read it."

//go:embed head.html page.html page.css page.js answer.html decision.html
var files embed.FS

var pages = template.Must(template.ParseFS(files, "head.html", "page.html", "answer.html", "decision.html"))

// site serves one page on loopback, under an address that nobody can guess.
type site struct {
	host   string // as browsers send it
	path   string
	nonce  string // allows the page's own style and script
	once   string // only in the page's form: knowing the address is not enough to post
	server *http.Server
}

// listen chooses the page's address, on a free port of loopback, and makes its server.
func (s *site) listen(ctx context.Context, random io.Reader, handler http.Handler) (net.Listener, error) {
	raw := make([]byte, 3*addressLength)
	if _, err := io.ReadFull(random, raw); err != nil {
		return nil, fmt.Errorf("choose the page's address: %w", err)
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		if l, err = listen.Listen(ctx, "tcp6", "[::1]:0"); err != nil {
			return nil, fmt.Errorf("serve the page on loopback: %w", err)
		}
	}
	s.host = l.Addr().String()
	s.path = "/" + base64.RawURLEncoding.EncodeToString(raw[:addressLength])
	s.nonce = base64.RawStdEncoding.EncodeToString(raw[addressLength : 2*addressLength])
	s.once = base64.RawURLEncoding.EncodeToString(raw[2*addressLength:])
	s.server = &http.Server{
		Handler: handler, ConnContext: withStranger, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerLimit, ReadTimeout: readLimit, IdleTimeout: idleLimit,
		ErrorLog: log.New(io.Discard, "", 0), // it would quote what a client sent
	}
	return &guarded{Listener: l}, nil
}

// Address returns the page's address.
func (s *site) Address() string { return "http://" + s.host + s.path }

// admit rejects requests without the page's address. Otherwise ok is true, and rest is what
// follows the page's path. The host must match the address: another name for loopback means
// that a page on the internet tries to reach this one (DNS rebinding).
func (s *site) admit(w http.ResponseWriter, req *http.Request) (rest string, ok bool) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+s.nonce+"'; script-src 'nonce-"+s.nonce+"'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), clipboard-read=()")
	if req.Host != s.host {
		h.Set("Connection", "close")
		http.Error(w, "", http.StatusMisdirectedRequest)
		return "", false
	}
	path := req.URL.Path
	if len(path) > len(s.path) {
		path, rest = path[:len(s.path)], path[len(s.path):]
	}
	if subtle.ConstantTimeCompare([]byte(path), []byte(s.path)) != 1 || rest != "" && rest != "/progress" {
		h.Set("Connection", "close")
		http.NotFound(w, req)
		return "", false
	}
	introduce(req)
	return rest, true
}

// shown reports whether the sender of a form has seen the page.
func (s *site) shown(values url.Values) bool {
	return subtle.ConstantTimeCompare([]byte(values.Get("once")), []byte(s.once)) == 1
}

// ownOrigin reports whether a request comes from this page. Browsers send a post's origin,
// and never this page's origin for another page.
func (s *site) ownOrigin(req *http.Request) bool {
	origin, from := req.Header.Get("Origin"), req.Header.Get("Sec-Fetch-Site")
	// With the policy no-referrer, a page's own post may have the origin "null".
	own := origin == "http://"+s.host || origin == "" || origin == "null" && from == "same-origin"
	return own && (from == "" || from == "same-origin")
}

// view is the templates' data. It never holds a token.
type view struct {
	Nonce, Once, Path, Problem string
	CSS                        template.CSS
	JS                         template.JS
	Form                       Config
	Decision                   Decision
}

func (s *site) view() view {
	css, _ := files.ReadFile("page.css") // embedded files are always readable
	js, _ := files.ReadFile("page.js")
	return view{Nonce: s.nonce, Once: s.once, Path: s.path, CSS: template.CSS(css), JS: template.JS(js)} //nolint:gosec // our own files
}

// writePage sends a page in one piece, so that closing the server afterwards cuts nothing off.
func writePage(w http.ResponseWriter, status int, name string, v view) {
	var page bytes.Buffer
	_ = pages.ExecuteTemplate(&page, name, v) // tests cover our templates
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(page.Len()))
	w.WriteHeader(status)
	_, _ = page.WriteTo(w) // the browser may have left
	_ = http.NewResponseController(w).Flush()
}

func (s *site) answer(w http.ResponseWriter, status int, text string) {
	v := s.view()
	v.Problem = text
	writePage(w, status, "answer.html", v)
}

// await waits for a page's answer, for at most the page's life.
func await[T any](ctx context.Context, from <-chan T, life time.Duration) (T, error) {
	if life == 0 {
		life = defaultLife
	}
	timer := time.NewTimer(life)
	defer timer.Stop()
	var none T
	select {
	case got := <-from:
		return got, nil
	case <-ctx.Done():
		return none, credential.Stopped(ctx, "waiting for the answer on the page")
	case <-timer.C:
		return none, &credential.Fault{
			Reason: credential.Declined, What: "nobody answered on the page", Why: "purser waited " + life.String() + " and closed the page",
		}
	}
}

// readForm reads a form that a page posts.
func readForm(w http.ResponseWriter, req *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errors.New("not a form")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, req.Body, bodyLimit))
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	return url.ParseQuery(string(raw))
}
