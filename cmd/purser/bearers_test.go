package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/present"
)

// records returns the text of every record in the scene's folder.
func (s *scene) records() string {
	s.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "purser-incident-*.json"))
	if err != nil {
		s.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			s.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// TestAWaitForBearersCanBeCutShort ends the wait by a signal, or as SIGKILL would. The
// record is complete before purser waits, and what it found out until then holds.
func TestAWaitForBearersCanBeCutShort(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		s := newScene(t)
		var out bytes.Buffer
		a := s.app(strings.NewReader(""), &out, &out)
		ctx, interrupt := context.WithCancelCause(t.Context())
		killed := "" // what a SIGKILL in the middle of the wait would leave
		now := time.Now()
		a.now = func() time.Time { return now }
		a.wait = func(ctx context.Context, d time.Duration) error {
			if killed = s.records(); killed == "" {
				return nil // a pause before the record is written
			}
			if now = now.Add(d); now.Sub(time.Now()) > 20*time.Second {
				interrupt(interrupted(os.Interrupt))
			}
			return ctx.Err()
		}
		args := []string{"respond", "dockerhub", "--mint", "--yes", "--wait"}
		if asJSON {
			args = append(args, "--output", "json")
		}
		if code := run(ctx, args, a); code != present.ExitOK {
			t.Errorf("exit code %d\n%s", code, out.String())
		}
		for _, want := range []string{`"text": "no new bearer token since `, `"until": "`, `"replaced": "`, `"check": [`} {
			if !strings.Contains(killed, want) || !strings.Contains(s.records(), want) {
				t.Errorf("the record lacks %s:\n%s", want, killed)
			}
		}
		if text := out.String(); !strings.Contains(text, "the last one still worked after 2") || !strings.Contains(text, "may work until") || strings.Contains(text, "interrupted") {
			t.Errorf("it says\n%s", text)
		}
	}
}

func TestAnAgentLearnsWhatOutlivesAToken(t *testing.T) {
	s := startAgentSession(t, agentClient{browser: true})
	s.signedIn()
	t.Setenv("DECISION", "yes")
	dockerhub := func(more map[string]any) map[string]any { more["name"] = "dockerhub"; return more }
	call := func(tool string, arguments map[string]any) toolReport {
		t.Helper()
		r, failed := s.call(t.Context(), tool, arguments)
		for r.Waiting != nil {
			r, failed = s.call(t.Context(), "wait", map[string]any{"id": r.Waiting.ID})
		}
		if failed {
			t.Fatalf("%s: %+v", tool, r.Error)
		}
		return r
	}
	call("store", dockerhub(map[string]any{"from": "mint", "create": true}))
	responded := call("respond", dockerhub(map[string]any{"from": "mint"})).Incident.Bearers
	revoked := call("revoke", dockerhub(map[string]any{})).Bearers
	for tool, b := range map[string]*present.BearersJSON{"respond": responded, "revoke": revoked} {
		if b == nil || b.NoneSince == nil || b.Until == nil || !b.Until.After(*b.NoneSince) || !strings.Contains(b.Text, "one issued before may work until") {
			t.Errorf("%s: %+v", tool, b)
		}
	}
}
