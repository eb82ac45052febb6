package aws

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Lambda is AWS Lambda's side of the runtime API (Lambda Developer Guide, "runtime API", version
// 2018-06-01). A program with its address in AWS_LAMBDA_RUNTIME_API is the function.
type Lambda struct {
	// Limit is the timeout of an invocation; 0: two minutes.
	Limit time.Duration

	mu      sync.Mutex // guards what follows
	number  int
	waiting chan *invocation
	running map[string]*invocation // taken by the function's process
	exited  chan struct{}          // closed when that process exits
}

type invocation struct {
	id      string
	payload []byte
	until   time.Time
	done    chan functionResult
}

type functionResult struct {
	body []byte
	err  error
}

// FunctionError is the error that a function returned.
type FunctionError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

func (e *FunctionError) Error() string { return e.Type + ": " + e.Message }

const (
	lambdaLimit  = 2 * time.Minute
	lambdaPath   = "/2018-06-01/runtime/"
	lambdaAnswer = 6 << 20 // response limit, in bytes
)

func (l *Lambda) queue() (waiting chan *invocation, exited chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting, l.running, l.exited = make(chan *invocation), map[string]*invocation{}, make(chan struct{})
	}
	return l.waiting, l.exited
}

// Invoke runs the function on an event. It returns a *FunctionError if the function failed.
func (l *Lambda) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	limit := cmp.Or(l.Limit, lambdaLimit)
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	queue, _ := l.queue()
	l.mu.Lock()
	l.number++
	until, _ := ctx.Deadline()
	i := &invocation{fmt.Sprintf("00000000-0000-4000-8000-%012x", l.number), payload, until, make(chan functionResult, 1)}
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.running, i.id)
	}()
	select {
	case queue <- i:
	case <-ctx.Done():
		return nil, fmt.Errorf("no function took the event: %w", ctx.Err())
	}
	select {
	case r := <-i.done:
		return r.body, r.err
	case <-ctx.Done():
		return nil, &FunctionError{"Task timed out after " + limit.String(), "Sandbox.Timedout"}
	}
}

// Exited fails the running invocations, as Lambda does when the function's process exits.
func (l *Lambda) Exited() {
	l.queue()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range l.running {
		i.end(functionResult{err: errExited})
	}
	close(l.exited)
	l.exited = make(chan struct{})
}

var errExited = &FunctionError{"Runtime exited with error: signal: killed", "Runtime.ExitError"}

// take hands an invocation to the process that waits for it, unless that process exited.
func (l *Lambda) take(i *invocation, exited chan struct{}) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.exited != exited {
		i.end(functionResult{err: errExited})
		return false
	}
	l.running[i.id] = i
	return true
}

// end sets the result unless there is one.
func (i *invocation) end(r functionResult) {
	select {
	case i.done <- r:
	default:
	}
}

// ServeHTTP serves the function's process.
func (l *Lambda) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	rest, ok := strings.CutPrefix(req.URL.Path, lambdaPath)
	id, what, found := strings.Cut(strings.TrimPrefix(rest, "invocation/"), "/")
	switch {
	case !ok:
		http.NotFound(w, req)
	case rest == "invocation/next" && req.Method == http.MethodGet:
		l.next(w, req)
	case rest == "init/error" && req.Method == http.MethodPost:
		w.WriteHeader(http.StatusAccepted)
	case found && req.Method == http.MethodPost && (what == "response" || what == "error"):
		l.result(w, req, id, what == "error")
	default:
		http.NotFound(w, req)
	}
}

func (l *Lambda) next(w http.ResponseWriter, req *http.Request) {
	waiting, exited := l.queue()
	select {
	case i := <-waiting:
		if !l.take(i, exited) {
			return
		}
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.until.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", LambdaARN)
		_, _ = w.Write(i.payload)
	case <-exited:
	case <-req.Context().Done():
	}
}

// LambdaARN is the function's ARN.
const LambdaARN = "arn:aws:lambda:eu-west-2:123456789012:function:purser-rotation"

func (l *Lambda) result(w http.ResponseWriter, req *http.Request, id string, failed bool) {
	body, err := io.ReadAll(io.LimitReader(req.Body, lambdaAnswer))
	l.mu.Lock()
	i := l.running[id]
	l.mu.Unlock()
	if i == nil || err != nil {
		http.Error(w, `{"errorMessage":"invalid request id","errorType":"InvalidRequestID"}`, http.StatusBadRequest)
		return
	}
	r := functionResult{body: body}
	if failed {
		f := &FunctionError{}
		_ = json.Unmarshal(body, f) // missing fields stay empty
		r.err = f
	}
	i.end(r)
	w.WriteHeader(http.StatusAccepted)
}
