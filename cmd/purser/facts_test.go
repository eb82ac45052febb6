//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// state returns all that the store and the registry have of the running example.
func (r *rehearsal) state() string {
	r.Helper()
	d, err := r.store.Describe(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	var all []string
	for _, v := range d.Versions {
		all = append(all, fmt.Sprint(v))
	}
	slices.Sort(all)
	for _, t := range r.box.Accounts.Tokens("mockserver") {
		all = append(all, fmt.Sprint(t.ID, t.Active))
	}
	return strings.Join(all, "\n")
}

// TestNothingWasChangedIsSaidOnlyIfItIsTrue fails each request of each command that
// changes something, before and after its effect, and compares what purser says with what
// is.
func TestNothingWasChangedIsSaidOnlyIfItIsTrue(t *testing.T) {
	if raceDetector {
		t.Skip("skipped: it runs once more without the race detector, which makes each of its processes slow")
	}
	for name, args := range map[string][]string{
		"store": {"store", "dockerhub", "--mint", "--yes"}, "rotate": {"rotate", "dockerhub", "--force", "--yes", "--now"},
		"rollback": {"rollback", "dockerhub", "--yes"}, "revoke": {"revoke", "dockerhub", "--yes"},
		"respond": {"respond", "dockerhub", "--yes", "--record", "incidents"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRehearsal(t)
			said, n := 0, 1
			for ; ; n++ {
				r.arm(0, false, func() {})
				if name == "revoke" || name == "rollback" { // these need a token and a previous one
					if out, err := r.run("rotate", "dockerhub", "--force", "--yes"); err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
				}
				before := r.state()
				r.arm(n, n%2 == 0, func() { panic(http.ErrAbortHandler) })
				out, err := r.once(args...)
				if !r.struck() {
					break
				}
				claims := strings.Contains(strings.ToLower(out), "nothing was changed")
				if claims && err != nil && r.state() != before {
					t.Errorf("request %d (%s) fails, and it is said that nothing was changed:\n%s", n, r.name, out)
				}
				if claims {
					said++
				}
			}
			t.Logf("%d requests, said of %d", n-1, said)
			if said == 0 && name != "respond" { // respond switches the token off first
				t.Error("it is never said")
			}
		})
	}
}

// once runs purser with an SDK that does not retry.
func (r *rehearsal) once(args ...string) (string, error) {
	cmd := r.process(args...)
	cmd.Env = append(slices.Clone(r.env), "AWS_MAX_ATTEMPTS=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}
