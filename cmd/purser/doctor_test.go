package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/practice"
	"purser/internal/present"
	"purser/internal/sandbox"
	"purser/internal/wire"
)

// TestTheDoctorComparesTheClockWithAWS changes this machine's clock.
func TestTheDoctorComparesTheClockWithAWS(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(practice.TourConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	for off, want := range map[time.Duration]struct {
		code int
		text string
	}{
		0:                 {present.ExitMissing, "ok: Clock      this machine's clock agrees"},
		-2 * time.Minute:  {present.ExitMissing, "unknown: Clock      this machine's clock is off by "},
		10 * time.Minute:  {present.ExitMissing, "bad: Clock      this machine's clock is off by "},
		-10 * time.Minute: {present.ExitMissing, "timedatectl set-ntp true"},
	} {
		var out bytes.Buffer
		a := &app{
			env: config.Environment{Home: dir}, in: strings.NewReader(""), out: &out, err: &out,
			now: func() time.Time { return time.Now().Add(off) }, transport: box.Transport(),
			aws: &wire.LocalAWS{Endpoint: box.SecretsManagerURL}, dir: dir, tty: present.Terminal{Path: filepath.Join(dir, "none")},
		}
		if code := run(t.Context(), []string{"doctor"}, a); code != want.code || !strings.Contains(out.String(), want.text) {
			t.Errorf("off by %v: exit code %d\n%s", off, code, out.String())
		}
	}
}
