// Package fault makes the stand-ins for registries and Docker Hub misbehave on request.
package fault

import (
	"cmp"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Fault describes one way to misbehave. The zero Fault cuts the connection.
type Fault struct {
	Status int           // answer with this status
	Header http.Header   // and these headers
	Body   string        // and this body
	HTML   bool          // answer with a proxy's sign-in page
	Echo   bool          // repeat the request's secret in body and header
	Flood  bool          // answer with an endless body
	Hang   bool          // never answer
	Delay  time.Duration // wait first; alone, it only slows the request
	After  bool          // let the request take effect first
	Struck func()        // called before the faulty answer; may be nil
	Times  int           // number of requests; 0: one, negative: all
}

// Queue holds pending faults by the kind of request. The zero Queue is empty.
type Queue struct {
	mu      sync.Mutex
	waiting map[string]Fault
}

// Clear removes all faults.
func (f *Queue) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = nil
}

// Set adds a fault, replacing any other for the same kind.
func (f *Queue) Set(kind string, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting == nil {
		f.waiting = map[string]Fault{}
	}
	if fault.Times == 0 {
		fault.Times = 1
	}
	f.waiting[kind] = fault
}

func (f *Queue) take(kind string) (Fault, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, ok := f.waiting[kind]
	if !ok || fault.Times == 0 {
		return fault, false
	}
	if fault.Times > 0 {
		left := fault
		left.Times--
		f.waiting[kind] = left
	}
	return fault, true
}

// ComesAfter reports whether the pending fault lets the request take effect first.
func (f *Queue) ComesAfter(kind string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fault, ok := f.waiting[kind]
	return ok && fault.Times != 0 && fault.After
}

// Strike applies a pending fault, and reports whether it answered the request.
func (f *Queue) Strike(kind string, w http.ResponseWriter, req *http.Request) bool {
	fault, ok := f.take(kind)
	if !ok {
		return false
	}
	if fault.Struck != nil {
		fault.Struck()
	}
	if fault.Delay > 0 && !fault.pause(req) {
		panic(http.ErrAbortHandler) // the client has gone away
	}
	if fault.onlySlow() {
		return false
	}
	for k, values := range fault.Header {
		w.Header()[k] = values
	}
	switch {
	case fault.Hang:
		<-req.Context().Done()
	case fault.HTML:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(max(fault.Status, http.StatusOK))
		_, _ = io.WriteString(w, "<!doctype html><title>Sign in to the network</title>")
	case fault.Echo:
		echo(w, req, cmp.Or(fault.Status, http.StatusInternalServerError))
	case fault.Flood:
		w.WriteHeader(max(fault.Status, http.StatusOK))
		flood(w, req)
	case fault.Status != 0:
		w.WriteHeader(fault.Status)
		_, _ = io.WriteString(w, fault.Body)
	default:
		panic(http.ErrAbortHandler) // net/http's way to cut a connection
	}
	return true
}

// pause waits, and reports whether the client is still connected.
func (f Fault) pause(req *http.Request) bool {
	timer := time.NewTimer(f.Delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-req.Context().Done():
		return false
	}
}

func (f Fault) onlySlow() bool {
	return f.Delay > 0 && f.Status == 0 && !f.HTML && !f.Echo && !f.Flood && !f.Hang && !f.After
}

// echo repeats the request's secret, as a server that logs into its answers would.
func echo(w http.ResponseWriter, req *http.Request, status int) {
	_, secret, _ := req.BasicAuth()
	body, _ := io.ReadAll(io.LimitReader(req.Body, 64<<10))
	sent := secret + " " + strings.ReplaceAll(string(body), `"`, "'") + " " + req.Header.Get("Authorization")
	w.Header().Set("X-Debug", strings.ReplaceAll(sent, "\n", " "))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"message":"cannot handle `+sent+`"}`)
}

// flood writes until the client disconnects.
func flood(w http.ResponseWriter, req *http.Request) {
	block := []byte(strings.Repeat("flood ", 1<<12))
	for req.Context().Err() == nil {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}
