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

// Fault is how a call misbehaves. The zero value cuts the connection before
// the call takes effect; with After, once it has: the answer is lost.
//
// To answer with an error of the service, set Code and Message, say
// "ThrottlingException" or "AccessDeniedException". A Delay alone only makes
// the call slow.
type Fault struct {
	Code    string // the error's code
	Message string // the error's text
	Status  int    // HTTP status; zero: 400 with a Code, else 200
	Body    string // sent as it is instead of the error made of Code and Message
	Echo    bool   // repeat what was sent, in the error's text and in a header

	// Stale has reads see the secrets as they were when the fault was asked for, as an
	// eventually consistent service may for a while; writes are as ever.
	Stale bool

	Times  int           // how many calls; zero: one; negative: all from now on
	After  bool          // the call takes effect first, and then this happens instead of its answer
	Hang   bool          // no answer until the client gives up
	Struck func()        // called when it strikes; may be nil
	Delay  time.Duration // how long the stand-in waits before it does what the rest says

	operation string
	past      *SecretsManager // with Stale
}

// Fault makes the next calls of an operation misbehave; "" stands for any
// operation. Faults of one operation are used up in the order in which they
// were asked for. Requests without a valid signature use them up as well.
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

// ClearFaults makes the stand-in behave again.
func (s *SecretsManager) ClearFaults() {
	s.script.Lock()
	defer s.script.Unlock()
	s.faults = nil
}

// maxAWSCalls bounds what Calls remembers of a stand-in that runs for days.
const maxAWSCalls = 1 << 17

// Calls lists the operations that were called, oldest first, those that failed
// included: "PutSecretValue", "GetCallerIdentity". At least the latest 65,536
// are there.
func (s *SecretsManager) Calls() []string {
	s.script.Lock()
	defer s.script.Unlock()
	return slices.Clone(s.calls)
}

// note records a call and takes the fault that is due for it.
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

// misbehave does what the fault says and reports whether the request is dealt
// with. A false means that the call was only slow.
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
		// net/http's way to close a connection without an answer.
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
