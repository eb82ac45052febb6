package askpage

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// Decision describes a question for a person.
type Decision struct {
	Question string   // one sentence
	Facts    []string // what the person must know first
	Random   io.Reader
	Life     time.Duration // how long the page waits; 0 means ten minutes
}

// DecisionPage is a page with a question, a Yes and a No. Give its address to the person's
// browser, and never to the program that waits for the answer.
type DecisionPage struct {
	site
	decision Decision
	answered chan bool
	taken    atomic.Bool
}

// OpenDecision starts to serve the page, on a free port of loopback.
func OpenDecision(ctx context.Context, d Decision) (*DecisionPage, error) {
	p := &DecisionPage{decision: d, answered: make(chan bool, 1)}
	l, err := p.listen(ctx, d.Random, p)
	if err != nil {
		return nil, err
	}
	go func() { _ = p.server.Serve(l) }() // ends with Close
	return p, nil
}

// Answer waits for the person and returns true for yes. The page accepts one answer.
func (p *DecisionPage) Answer(ctx context.Context) (bool, error) {
	return await(ctx, p.answered, p.decision.Life)
}

// Close ends the server.
func (p *DecisionPage) Close() error { return p.server.Close() }

// ServeHTTP serves only the page.
func (p *DecisionPage) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rest, ok := p.admit(w, req)
	switch {
	case !ok:
	case rest != "":
		http.NotFound(w, req)
	case p.taken.Load():
		p.answer(w, http.StatusGone, answeredText)
	case req.Method == http.MethodGet:
		v := p.view()
		v.Decision = p.decision
		writePage(w, http.StatusOK, "decision.html", v)
	case req.Method == http.MethodPost:
		p.take(w, req)
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "", http.StatusMethodNotAllowed)
	}
}

const answeredText = "You have already answered this question. You can close this page."

// take reads the answer. A page from another origin cannot give one.
func (p *DecisionPage) take(w http.ResponseWriter, req *http.Request) {
	if !p.ownOrigin(req) {
		p.answer(w, http.StatusForbidden, otherPageText)
		return
	}
	values, err := readForm(w, req)
	answer := values["answer"]
	if err != nil || len(answer) != 1 || answer[0] != "yes" && answer[0] != "no" {
		p.answer(w, http.StatusBadRequest, "purser did not understand this answer. Open the page again and answer there.")
		return
	}
	if !p.shown(values) {
		p.answer(w, http.StatusForbidden, unseenText)
		return
	}
	if p.taken.Swap(true) {
		p.answer(w, http.StatusGone, answeredText)
		return
	}
	yes := answer[0] == "yes"
	said := "You said no, so purser stops. You can close this page."
	if yes {
		said = "You said yes, so purser continues. You can close this page."
	}
	p.answer(w, http.StatusOK, said)
	p.answered <- yes // after sending the page: Close may follow at once
}
