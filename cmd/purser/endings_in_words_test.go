package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/present"
	sandboxhub "purser/internal/sandbox/hub"
	"purser/internal/wire"
)

// broken is a network whose requests fail or hang.
type broken struct{ err error }

func (b broken) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.err != nil {
		return nil, b.err
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestNoCommandRepeatsGosErrors makes every command wait for a registry and AWS, until a
// limit of its own or --timeout.
func TestNoCommandRepeatsGosErrors(t *testing.T) {
	f := newFleet(t, 3, "every: 90d, overlap: 1h")
	f.byHand(3)
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // the client's end shows only after the body
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	t.Cleanup(silent.CloseClientConnections)
	token, err := f.box.Accounts.AddToken(fleetAccount, sandboxhub.ReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	reached := map[string]bool{}
	transport, aws := f.app.transport, f.app.aws
	for what, breaks := range map[string]func(){
		"the registry takes too long": func() { f.app.transport = broken{fmt.Errorf("ask: %w", context.DeadlineExceeded)} },
		"the registry is cut off":     func() { f.app.transport = broken{context.Canceled} },
		"the registry is silent":      func() { f.app.transport = broken{} },
		"AWS is silent":               func() { f.app.aws = &wire.LocalAWS{Endpoint: silent.URL} },
	} {
		f.app.transport, f.app.aws = transport, aws
		breaks()
		for _, line := range []string{
			"check", "check c000", "status", "status c000", "doctor", "doctor c000", "rotate --due", "rotate --all --force", "rotate c000 --force", "rotate --all --dry-run",
			"store c000 --token-stdin", "store c000 --mint --yes", "tokens create c000 --yes",
			"rollback c000 --yes", "revoke c000 --yes", "respond c000 --yes --record " + filepath.Join(t.TempDir(), "record"), "exec c000 -- true", "rehearse c000",
		} {
			for _, form := range []string{"text", "json"} {
				f.app.in = strings.NewReader(token.Secret.Reveal())
				f.app.env.ManagementSecret = fleetManagement
				f.out.Reset()
				a := *f.app
				ctx, stop := endAfter(t.Context(), 100*time.Millisecond)
				code := run(ctx, append([]string{"--output", form}, strings.Fields(line)...), &a)
				stop()
				out := f.out.String()
				reached[line] = reached[line] || code == present.ExitUnknown
				if said := goEnding.FindString(out); said != "" {
					t.Errorf("%s: %s as %s ends with %d and says %q:\n%s", what, line, form, code, said, out)
				}
			}
		}
	}
	for line, any := range reached {
		if !any && line != "rehearse c000" { // which asks its own stand-ins, often in time
			t.Errorf("%s is never told that there is no answer", line)
		}
	}
}
