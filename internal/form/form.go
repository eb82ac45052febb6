// Package form asks a person for a token in their browser, where purser has no
// terminal: on a page that it serves itself, once, on loopback, under an address that
// nobody can guess. The token goes from the page into purser's memory and nowhere
// else. The page then follows what becomes of it.
package form

import (
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
	"strings"
	"sync"
	"time"

	"purser/internal/credential"
)

// Step is something for the person to do before.
type Step struct {
	Text string
	URL  string // a page; "" for none
}

// Config says what is asked for.
type Config struct {
	Credential string // its name
	Registry   string
	Account    string // "" when any
	Steps      []Step
	// Check says what is wrong with a token, "" for nothing. It is told to the
	// person, who may try again.
	Check  func(credential.Secret) string
	Random io.Reader
	Life   time.Duration // how long the page waits; 0: ten minutes
}

const (
	defaultLife = 10 * time.Minute
	// bodyLimit is above any token, in bytes.
	bodyLimit = 64 << 10
	// addressBytes are the random bytes of the address, in bytes.
	addressBytes = 24
	// farewell is how long Close waits for the page to have read the last line.
	farewell   = 2 * time.Second
	maxHeader  = 16 << 10
	readLimit  = 10 * time.Second
	maxClients = 16
)

// Form is one page, for one token.
type Form struct {
	cfg    Config
	host   string // as browsers name it
	path   string
	server *http.Server
	token  chan credential.Secret
	nonce  string

	mu    sync.Mutex // guards what follows
	used  bool
	lines []line
	over  bool
	more  chan struct{} // closed when there is something new
	told  bool          // a page has been sent all of it
	seen  chan struct{} // closed when that answer has ended as answers do: a browser may drop what comes before a cut
}

// line is one thing that became known.
type line struct {
	Mark string `json:"mark"` // ok, bad or end
	Step string `json:"step"`
	Text string `json:"text"`
}

// Open starts to serve the page, on a free port of loopback.
func Open(ctx context.Context, cfg Config) (*Form, error) {
	raw := make([]byte, 2*addressBytes)
	if _, err := io.ReadFull(cfg.Random, raw); err != nil {
		return nil, fmt.Errorf("choose the address of the form: %w", err)
	}
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		if l, err = listen.Listen(ctx, "tcp6", "[::1]:0"); err != nil {
			return nil, fmt.Errorf("serve the form on loopback: %w", err)
		}
	}
	f := &Form{
		cfg: cfg, host: l.Addr().String(), path: "/" + base64.RawURLEncoding.EncodeToString(raw[:addressBytes]),
		nonce: base64.RawStdEncoding.EncodeToString(raw[addressBytes:]),
		token: make(chan credential.Secret, 1), more: make(chan struct{}), seen: make(chan struct{}),
	}
	f.server = &http.Server{
		Handler: f, ReadHeaderTimeout: readLimit, ReadTimeout: readLimit, MaxHeaderBytes: maxHeader,
		ErrorLog:  log.New(io.Discard, "", 0), // it would quote what a client sent
		ConnState: f.ended,
	}
	go func() { _ = f.server.Serve(&bounded{Listener: l, free: make(chan struct{}, maxClients)}) }() // ends with Close
	return f, nil
}

// Address is what the person opens.
func (f *Form) Address() string { return "http://" + f.host + f.path }

// Ask waits for the token. It is given once.
func (f *Form) Ask(ctx context.Context) (credential.Secret, error) {
	life := f.cfg.Life
	if life == 0 {
		life = defaultLife
	}
	timer := time.NewTimer(life)
	defer timer.Stop()
	select {
	case t := <-f.token:
		return t, nil
	case <-ctx.Done():
		return credential.Secret{}, credential.Stopped(ctx, "waiting for a token in the form")
	case <-timer.C:
		f.Line("bad", "Form", "it waited for "+life.String()+", and is closed")
		return credential.Secret{}, &credential.Fault{
			Reason: credential.Declined, What: "no token was given in the form", Why: "it waited for " + life.String(),
		}
	}
}

// Line adds something that became known to the page: mark is "ok" or "bad".
func (f *Form) Line(mark, step, text string) { f.add(line{mark, step, text}) }

// Close tells the page that this was all, waits a moment for it to have read that,
// and ends the server.
func (f *Form) Close() error {
	f.add(line{Mark: "end"})
	f.mu.Lock()
	f.over = true
	waiting := f.used
	f.mu.Unlock()
	if waiting {
		timer := time.NewTimer(farewell)
		defer timer.Stop()
		select {
		case <-f.seen:
		case <-timer.C:
		}
	}
	return f.server.Close()
}

// ended learns that the connection of a page that was told all is over.
func (f *Form) ended(_ net.Conn, state http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.told || state != http.StateClosed {
		return
	}
	select {
	case <-f.seen:
	default:
		close(f.seen)
	}
}

func (f *Form) add(l line) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	f.lines = append(f.lines, l)
	close(f.more)
	f.more = make(chan struct{})
}

//go:embed page.html page.css page.js answer.html
var files embed.FS

var pages = template.Must(template.ParseFS(files, "page.html", "answer.html"))

// ServeHTTP answers nothing but the page, under its own address, asked for by the
// host's own name: another name that leads to loopback is a page of somebody else's
// that reaches for it (DNS rebinding).
func (f *Form) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'nonce-"+f.nonce+"'; script-src 'nonce-"+f.nonce+"'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), clipboard-read=()")
	if req.Host != f.host {
		http.Error(w, "", http.StatusMisdirectedRequest)
		return
	}
	path, progress := strings.CutSuffix(req.URL.Path, "/progress")
	if subtle.ConstantTimeCompare([]byte(path), []byte(f.path)) != 1 {
		http.NotFound(w, req)
		return
	}
	switch {
	case progress && req.Method == http.MethodGet:
		f.progress(w, req)
	case !progress && req.Method == http.MethodGet:
		f.show(w)
	case !progress && req.Method == http.MethodPost:
		f.take(w, req)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "", http.StatusMethodNotAllowed)
	}
}

// view is what the pages are made of. It holds nothing of a token.
type view struct {
	Config
	Nonce, Problem, Path string
	CSS                  template.CSS
	JS                   template.JS
}

func (f *Form) view(problem string) view {
	css, _ := files.ReadFile("page.css") // embedded: they are there
	js, _ := files.ReadFile("page.js")
	return view{f.cfg, f.nonce, problem, f.path, template.CSS(css), template.JS(js)} //nolint:gosec // our own files
}

func (f *Form) show(w http.ResponseWriter) {
	f.mu.Lock()
	used := f.used
	f.mu.Unlock()
	if used {
		f.answer(w, http.StatusGone, "This form has been used. Run the command again for another.")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = pages.ExecuteTemplate(w, "page.html", f.view("")) // a page that left is no failure
}

func (f *Form) answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_ = pages.ExecuteTemplate(w, "answer.html", f.view(text))
}

// take reads the token. A page of another origin cannot send one.
func (f *Form) take(w http.ResponseWriter, req *http.Request) {
	scripted := req.Header.Get("Accept") == "application/json"
	refuse := func(status int, text string) {
		if scripted {
			http.Error(w, text, status)
			return
		}
		f.answer(w, status, text)
	}
	if !f.ownOrigin(req) {
		refuse(http.StatusForbidden, "This came from another page, and was not read.")
		return
	}
	token, err := readToken(w, req)
	if err != nil {
		status := http.StatusBadRequest
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			w.Header().Set("Connection", "close")
			status = http.StatusRequestEntityTooLarge
		}
		refuse(status, "That is no token: it cannot be read.")
		return
	}
	if problem := f.cfg.Check(token); problem != "" {
		if scripted {
			http.Error(w, problem, http.StatusUnprocessableEntity)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusUnprocessableEntity)
		_ = pages.ExecuteTemplate(w, "page.html", f.view(problem))
		return
	}
	f.mu.Lock()
	first := !f.used && !f.over
	f.used = true
	f.mu.Unlock()
	if !first {
		refuse(http.StatusGone, "This form has been used. Run the command again for another.")
		return
	}
	f.token <- token
	if scripted {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	f.stream(w, req, true)
}

// ownOrigin: browsers say where a post comes from, and none of its own says anything
// else than this page's origin.
func (f *Form) ownOrigin(req *http.Request) bool {
	origin, site := req.Header.Get("Origin"), req.Header.Get("Sec-Fetch-Site")
	// Under its no-referrer policy a page's own form post may have the origin "null".
	own := origin == "http://"+f.host || origin == "" || origin == "null" && site == "same-origin"
	return own && (site == "" || site == "same-origin")
}

func readToken(w http.ResponseWriter, req *http.Request) (credential.Secret, error) {
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return credential.Secret{}, errors.New("not a form")
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, req.Body, bodyLimit))
	if err != nil {
		return credential.Secret{}, err
	}
	defer clear(raw)
	values, err := url.ParseQuery(string(raw))
	if err != nil || len(values["token"]) != 1 {
		return credential.Secret{}, errors.New("not this form")
	}
	return credential.NewSecret(strings.TrimSpace(values.Get("token"))), nil
}

// progress is the lines as they come, as server-sent events.
func (f *Form) progress(w http.ResponseWriter, req *http.Request) {
	if site := req.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		http.Error(w, "", http.StatusForbidden)
		return
	}
	f.stream(w, req, false)
}

// bounded keeps the number of connections small.
type bounded struct {
	net.Listener
	free chan struct{}
}

// Accept waits until there is room.
func (b *bounded) Accept() (net.Conn, error) {
	b.free <- struct{}{}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.free
		return nil, err
	}
	return &counted{Conn: conn, leave: sync.OnceFunc(func() { <-b.free })}, nil
}

type counted struct {
	net.Conn
	leave func()
}

// Close makes room.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
