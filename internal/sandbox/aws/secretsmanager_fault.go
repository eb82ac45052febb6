package aws

import (
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is one way for a call to misbehave. The zero value cuts the connection before the call
// takes effect; with After, it cuts it afterwards, so the answer is lost. For a service error set
// Code and Message, for example "AccessDeniedException". A Delay alone only slows the call.
type Fault struct {
	Code    string // error code
	Message string // error message
	Status  int    // HTTP status; zero: 400 with a Code, else 200
	Body    string // replaces the error made from Code and Message
	Echo    bool   // repeat the request in the message and a header

	// Stale makes reads see the secrets as they were when Fault was called, as eventual
	// consistency can. Writes are not affected.
	Stale bool

	Times  int           // number of calls; zero: one; negative: all
	After  bool          // let the call take effect first
	Hang   bool          // never answer
	Struck func()        // called before the faulty answer; may be nil
	Delay  time.Duration // wait first

	operation string
	past      *SecretsManager // for Stale
}

// Fault makes the next calls of an operation misbehave; "" means any operation. Faults of one
// operation apply in the order of these calls. Requests with an invalid signature count too.
func (s *SecretsManager) Fault(operation string, f Fault) {
	f.operation = operation
	if f.Stale {
		f.past = s.past()
	}
	if f.Times == 0 {
		f.Times = 1
	}
	s.script.Lock()
	defer s.script.Unlock()
	s.faults = append(s.faults, f)
}

// ClearFaults removes all faults.
func (s *SecretsManager) ClearFaults() {
	s.script.Lock()
	defer s.script.Unlock()
	s.faults = nil
}

const maxAWSCalls = 1 << 17 // bounds Calls

// Calls lists the called operations, oldest first, failed ones included: "PutSecretValue",
// "GetCallerIdentity". It has at least the latest 65,536.
func (s *SecretsManager) Calls() []string {
	s.script.Lock()
	defer s.script.Unlock()
	return slices.Clone(s.calls)
}

// note records a call and takes the fault that applies to it.
func (s *SecretsManager) note(operation string) (Fault, bool) {
	s.script.Lock()
	defer s.script.Unlock()
	if operation != "" {
		if len(s.calls) >= maxAWSCalls {
			s.calls = append(s.calls[:0], s.calls[maxAWSCalls/2:]...)
		}
		s.calls = append(s.calls, operation)
	}
	for i, f := range s.faults {
		if f.operation != "" && f.operation != operation || f.Stale && !smIsRead(operation) {
			continue
		}
		if f.Times > 0 {
			s.faults[i].Times--
		}
		if s.faults[i].Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f, true
	}
	return Fault{}, false
}

func smIsRead(operation string) bool {
	return strings.HasPrefix(operation, "Get") && operation != "GetCallerIdentity" || strings.HasPrefix(operation, "Describe") || strings.HasPrefix(operation, "List") || strings.HasPrefix(operation, "BatchGet")
}

// misbehave applies the fault, and reports whether it answered the request. False means that the
// call was only delayed.
func (s *SecretsManager) misbehave(w http.ResponseWriter, r *http.Request, call awsCall, f Fault) bool {
	if f.Struck != nil {
		f.Struck()
	}
	if f.Delay > 0 {
		pause := time.NewTimer(f.Delay)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Echo:
		w.Header().Set("X-Debug", strings.ReplaceAll(string(call.body), "\n", " "))
		f.Code, f.Message = cmp.Or(f.Code, "ValidationException"), "cannot handle "+string(call.body)
		s.answerFault(w, call, f)
		return true
	case f.Body != "" || f.Code != "" || f.Status != 0:
		s.answerFault(w, call, f)
		return true
	case f.Delay > 0 && !f.After:
		return false
	default:
		// This is net/http's way to close a connection without an answer.
		panic(http.ErrAbortHandler)
	}
}

func (s *SecretsManager) answerFault(w http.ResponseWriter, call awsCall, f Fault) {
	status := f.Status
	if status == 0 {
		status = http.StatusOK
		if f.Code != "" {
			status = http.StatusBadRequest
		}
	}
	if f.Body == "" {
		s.answer(w, call, nil, &awsError{code: f.Code, message: f.Message, status: status})
		return
	}
	contentType := "text/html"
	if json.Valid([]byte(f.Body)) {
		contentType = "application/x-amz-json-1.1"
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, f.Body)
}
