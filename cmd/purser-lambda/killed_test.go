package main

import (
	"cmp"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"purser/internal/sandbox"
)

// mortal is the program behind Lambda's runtime API, as a process that can be killed.
type mortal struct {
	*bench
	env []string

	mu    sync.Mutex
	end   func() // kills the process
	n     int    // requests so far
	at    int    // the request at which the process dies; 0: none
	after bool   // let the request take effect first
	name  string // name of that request
}

func newMortal(t *testing.T) *mortal {
	t.Helper()
	m := &mortal{}
	box, err := sandbox.Start(t.Context(), sandbox.Options{Function: true, Around: m.around})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	m.bench = &bench{T: t, aws: box.SecretsManager}
	m.use(box, box.SecretsManagerURL)
	m.env = environment(t, box)
	m.end = m.process()
	return m
}

func (m *mortal) process() (end func()) {
	m.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Args, cmd.Env = []string{hasty}, m.env
	return start(m.T, cmd)
}

// around counts requests, kills the process at one of them, and reads like a consumer after each.
func (m *mortal) around(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		m.mu.Lock()
		m.n++
		dies := m.n == m.at
		if dies {
			m.name = cmp.Or(req.Header.Get("X-Amz-Target"), req.Method+" "+req.URL.Path)
		}
		m.mu.Unlock()
		switch {
		case !dies:
			next.ServeHTTP(w, req)
		case m.after:
			next.ServeHTTP(httptest.NewRecorder(), req)
			m.die()
		default:
			m.die()
		}
		m.works("after " + req.URL.Path)
	})
}

// die kills the process. Lambda then starts another one.
func (m *mortal) die() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.end()
	m.box.Lambda.Exited()
	m.end = m.process()
}

// rotate makes AWS start a rotation, which may be interrupted.
func (m *mortal) rotate() {
	m.Helper()
	m.begin(version)
	m.aws.Settle()
}

// settle retries the rotation like AWS does after a failure.
func (m *mortal) settle(what string) {
	m.Helper()
	if stages, _ := m.state(); stages["AWSCURRENT"] != version {
		_, _ = m.secrets.RotateSecret(m.Context(), &sm.RotateSecretInput{SecretId: aws.String(secretName)}) // refused, but AWS resumes the pending rotation
		m.aws.Settle()
	}
	stages, tokens := m.state()
	// AWS considers a rotation finished when the pending version is current.
	if stages["AWSCURRENT"] != version || stages["AWSPENDING"] != "" && stages["AWSPENDING"] != version {
		m.Errorf("%s: afterwards %v", what, stages)
	}
	if tokens != 2 {
		m.Errorf("%s: %d tokens are left, want the previous and the new one", what, tokens)
	}
	m.works(what)
	if m.Failed() {
		m.FailNow()
	}
}

// TestTheFunctionIsKilledAtEveryRequest kills the program with SIGKILL at each request of a rotation,
// before and after it takes effect. AWS's next attempt must repair everything. A consumer reads after
// each request.
func TestTheFunctionIsKilledAtEveryRequest(t *testing.T) {
	for _, how := range []string{"killed before", "killed after"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			n := 0
			for {
				n++
				m := newMortal(t)
				m.at, m.after = n, how == "killed after"
				m.rotate()
				m.settle(fmt.Sprintf("%s request %d (%s)", how, n, m.name))
				if m.name == "" {
					break // no more requests
				}
				t.Logf("fault: %-28s %-60s %-20s green", "rotate, in Lambda", m.name, how)
			}
			if n <= 40 {
				t.Errorf("only %d cases", n-1)
			}
		})
	}
}

// TestTheFunctionIsKilledByTheClock kills it at times unrelated to its requests.
func TestTheFunctionIsKilledByTheClock(t *testing.T) {
	whole := newMortal(t)
	began := time.Now()
	whole.rotate()
	took := time.Since(began)
	whole.settle("a rotation")
	const moments = 24
	cut := 0
	for n := range moments {
		m, wait := newMortal(t), took*time.Duration(n)/moments
		clock := time.AfterFunc(wait, m.die)
		m.rotate()
		clock.Stop()
		if stages, _ := m.state(); stages["AWSCURRENT"] != version {
			cut++
		}
		m.settle(fmt.Sprintf("killed %s into a rotation of %s", wait, took))
	}
	if cut < moments/4 {
		t.Errorf("only %d of %d rotations were cut", cut, moments)
	}
	t.Logf("%d of %d rotations were cut", cut, moments)
}
