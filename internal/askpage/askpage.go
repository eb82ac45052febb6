// Package askpage asks a person for a token or a decision on a page in their browser. purser
// serves the page itself, once, on loopback, under an address that nobody can guess. It
// keeps what the person enters in memory.
package askpage

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"purser/internal/credential"
)

// Step tells the person what to do first.
type Step struct {
	Text string
	URL  string // a page, or ""
}

// Config says which token the page asks for, and what purser does with it.
type Config struct {
	Credential   string // its name
	Registry     string
	Account      string   // "" for any
	Destinations []string // every place that will store the token; none if purser only checks it
	Steps        []Step
	// Check returns a token's problem or "". The page shows it, and the person can try again.
	Check  func(credential.Secret) string
	Random io.Reader
	Life   time.Duration // how long the page waits; 0 means ten minutes
}

// farewell is how long Close waits for the page to read the last line.
const farewell = 2 * time.Second

// Form is one page, for one token.
type Form struct {
	site
	cfg   Config
	token chan credential.Secret

	mu    sync.Mutex // guards the fields below
	used  bool
	lines []line
	over  bool
	more  chan struct{} // closed when there is a new line
	told  bool          // whether a page got all lines
	seen  chan struct{} // closed when that response has ended normally: a browser may drop what precedes a cut
}

// line is one result that the page shows.
type line struct {
	Mark string `json:"mark"` // ok, bad or end
	Step string `json:"step"`
	Text string `json:"text"`
}

// Open starts to serve the page, on a free port of loopback.
func Open(ctx context.Context, cfg Config) (*Form, error) {
	f := &Form{cfg: cfg, token: make(chan credential.Secret, 1), more: make(chan struct{}), seen: make(chan struct{})}
	l, err := f.listen(ctx, cfg.Random, f)
	if err != nil {
		return nil, err
	}
	f.server.ConnState = f.ended
	go func() { _ = f.server.Serve(l) }() // ends with Close
	return f, nil
}

// Ask waits for the token, which the page accepts once.
func (f *Form) Ask(ctx context.Context) (credential.Secret, error) {
	token, err := await(ctx, f.token, f.cfg.Life)
	if fault, ok := errors.AsType[*credential.Fault](err); ok && fault.Reason == credential.Declined {
		fault.What = "nobody gave a token on the page"
		f.Line("bad", "Closed", fault.Why)
	}
	return token, err
}

// Line shows a result on the page: mark is "ok" or "bad".
func (f *Form) Line(mark, step, text string) { f.add(line{mark, step, text}) }

// Close tells the page that purser is done, waits a moment until the page has read that, and
// ends the server.
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

// ended notes that the connection of a page that got all lines has closed.
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

// ServeHTTP serves only the page.
func (f *Form) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rest, ok := f.admit(w, req)
	if !ok {
		return
	}
	progress := rest != ""
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

const usedText = "You have already used this page. Run the command again to get a new one."

func (f *Form) show(w http.ResponseWriter) {
	f.mu.Lock()
	used := f.used
	f.mu.Unlock()
	if used {
		f.answer(w, http.StatusGone, usedText)
		return
	}
	f.ask(w, http.StatusOK, "")
}

func (f *Form) ask(w http.ResponseWriter, status int, problem string) {
	v := f.view()
	v.Form, v.Problem = f.cfg, problem
	writePage(w, status, "page.html", v)
}

// take reads the token. A page from another origin cannot send one.
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
		refuse(http.StatusForbidden, otherPageText)
		return
	}
	token, values, err := readToken(w, req)
	if err != nil {
		status := http.StatusBadRequest
		if _, long := errors.AsType[*http.MaxBytesError](err); long {
			w.Header().Set("Connection", "close")
			status = http.StatusRequestEntityTooLarge
		}
		refuse(status, "purser cannot read this as a token.")
		return
	}
	if !f.shown(values) {
		refuse(http.StatusForbidden, unseenText)
		return
	}
	if problem := f.cfg.Check(token); problem != "" {
		if scripted {
			http.Error(w, problem, http.StatusUnprocessableEntity)
			return
		}
		f.ask(w, http.StatusUnprocessableEntity, problem)
		return
	}
	f.mu.Lock()
	first := !f.used && !f.over
	f.used = true
	f.mu.Unlock()
	if !first {
		refuse(http.StatusGone, usedText)
		return
	}
	f.token <- token
	if scripted {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	f.stream(w, req, true)
}

func readToken(w http.ResponseWriter, req *http.Request) (credential.Secret, url.Values, error) {
	values, err := readForm(w, req)
	if err != nil {
		return credential.Secret{}, nil, err
	}
	if len(values["token"]) != 1 {
		return credential.Secret{}, nil, errors.New("not this form")
	}
	return credential.NewSecret(strings.TrimSpace(values.Get("token"))), values, nil
}

// progress sends the lines as they come, as server-sent events.
func (f *Form) progress(w http.ResponseWriter, req *http.Request) {
	if site := req.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		http.Error(w, "", http.StatusForbidden)
		return
	}
	f.stream(w, req, false)
}
