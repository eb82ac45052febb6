package purser_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ofTheSystem is a made-up vulnerability in a function that internal/process calls.
var ofTheSystem = map[string]string{
	"index/db.json":        `{"modified":"2026-01-01T00:00:00Z"}`,
	"index/modules.json":   `[{"path":"golang.org/x/sys","vulns":[{"id":"GO-2026-0001","modified":"2026-01-01T00:00:00Z"}]}]`,
	"ID/GO-2026-0001.json": `{"schema_version":"1.3.1","id":"GO-2026-0001","modified":"2026-01-01T00:00:00Z","published":"2026-01-01T00:00:00Z","summary":"made up","details":"made up","database_specific":{"url":"https://vuln.example/GO-2026-0001"},"affected":[{"package":{"name":"golang.org/x/sys","ecosystem":"Go"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}],"ecosystem_specific":{"imports":[{"path":"golang.org/x/sys/unix","symbols":["Prctl"]}]}}]}`,
}

func TestAReachableVulnerabilityFailsTheLintAndAnUnreachableDatabaseDoesNot(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("skipped: bash is not installed")
	}
	database := t.TempDir()
	for name, text := range ofTheSystem {
		file := filepath.Join(database, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, variable string
		fails          bool
		says           string
	}{
		{"a finding", "GOVULNDB=file://" + database, true, "GO-2026-0001"},
		{"no network", "HTTPS_PROXY=http://127.0.0.1:1", false, "skipped: the vulnerability database cannot be reached"},
	} {
		var said bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "scripts/vulnerabilities.sh", "./internal/process")
		cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "GOVULNDB=", c.variable), &said, &said
		if err := cmd.Run(); (err != nil) != c.fails || !strings.Contains(said.String(), c.says) {
			t.Errorf("%s: %v, %s", c.name, err, said.String())
		}
	}
}
