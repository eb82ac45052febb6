package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/realservers"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/wire"
)

// buildProgram builds the program into a folder that only this user may write.
func buildProgram(t *testing.T) (dir string) {
	t.Helper()
	dir = trustedDir(t)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "docker-credential-purser"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// program runs the program with an environment.
func (a *agent) program(dir string, env []string, verb, asked string) (out, errs string, code int) {
	a.Helper()
	cmd := exec.CommandContext(a.Context(), filepath.Join(dir, "docker-credential-purser"), verb)
	cmd.Env, cmd.Stdin = env, strings.NewReader(asked)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		a.Fatal(err)
	}
	return o.String(), e.String(), cmd.ProcessState.ExitCode()
}

// TestAnInstanceRoleIsEnough gets credentials from the instance metadata service, without a home directory.
func TestAnInstanceRoleIsEnough(t *testing.T) {
	dir := buildProgram(t)
	for name, c := range map[string]struct {
		set  func(*sandboxaws.Metadata)
		want string // part of the error; "": none
	}{
		"on the instance":                {func(*sandboxaws.Metadata) {}, ""},
		"in a container, two hops":       {func(m *sandboxaws.Metadata) { m.Container, m.Hops = true, 2 }, ""},
		"in a container, one hop":        {func(m *sandboxaws.Metadata) { m.Container = true }, "a container on one whose hop limit is 1"},
		"an instance without a role":     {func(m *sandboxaws.Metadata) { m.Role = "" }, "has no instance role"},
		"another registry, nothing read": {func(*sandboxaws.Metadata) {}, "credentials not found"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAgent(t, "")
			m := &sandboxaws.Metadata{Role: "buildkite-agent", Hops: 1, Life: time.Hour, Now: time.Now}
			c.set(m)
			server := httptest.NewServer(m)
			t.Cleanup(server.Close)
			env := []string{
				"PURSER_SECRET_ID=mockserver-build/dockerhub", "AWS_REGION=eu-west-2", "AWS_ENDPOINT_URL=" + a.at,
				"AWS_EC2_METADATA_SERVICE_ENDPOINT=" + server.URL, "PURSER_HELPER_CACHE=off",
			}
			if strings.HasPrefix(name, "another") {
				out, _, code := a.program(dir, env, "get", "quay.io")
				if code != 1 || !strings.Contains(out, "credentials not found in native keychain") || m.Asked() > 0 {
					t.Errorf("%d %q, %d requests", code, out, m.Asked())
				}
				return
			}
			out, errs, code := a.program(dir, env, "get", "docker.io")
			var login struct{ Username, Secret string }
			switch {
			case c.want == "" && (code != 0 || json.Unmarshal([]byte(out), &login) != nil || login.Secret != token):
				t.Errorf("%d %q", code, strings.ReplaceAll(out, token, "THE TOKEN"))
			case c.want != "" && (code != 1 || out != errs || !strings.Contains(out, c.want)):
				t.Errorf("%d %q, want %q", code, out, c.want)
			}
		})
	}
}

func TestTheSystemsConfigurationWinsAndSaysSo(t *testing.T) {
	a := newAgent(t, agentConfig)
	a.env.Config = filepath.Join(trustedDir(t), "purser.yaml")
	a.write(a.env.Config, agentConfig, 0o600)
	if out, _, code := a.ask("get", "docker.io"); code != 1 || !strings.Contains(out, "purser refuses PURSER_CONFIG") {
		t.Errorf("%d %q", code, out)
	}
	if err := os.Remove(a.system); err != nil {
		t.Fatal(err)
	}
	if !a.gives("docker.io") {
		t.Error("it did not use the remaining one")
	}
}

func TestTheHelperReadsFromMoto(t *testing.T) {
	moto := realservers.Moto(t)
	dir := buildProgram(t)
	w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: moto}}
	s, err := w.Bare(t.Context(), credential.Credential{}, credential.Target{Kind: "secret", Name: "moto/dockerhub", Region: "eu-west-2"})
	if err != nil {
		t.Fatal(err)
	}
	id := credential.VersionID("purser-01936f5e-0000-7000-8000-000000000001")
	value := credential.NewSecret(`{"username":"mockserver","token":"` + token + `"}`)
	if err := errors.Join(s.Create(t.Context()), s.Stage(t.Context(), id, value), s.Promote(t.Context(), id, id)); err != nil {
		t.Fatal(err)
	}
	a := &agent{T: t}
	env := []string{
		"PURSER_SECRET_ID=moto/dockerhub", "AWS_REGION=eu-west-2", "AWS_ENDPOINT_URL=" + moto, "AWS_ACCESS_KEY_ID=SANDBOX", "AWS_SECRET_ACCESS_KEY=SANDBOX",
		"PURSER_HELPER_CACHE=off", "PURSER_HELPER_TIMEOUT=30s",
	}
	out, _, code := a.program(dir, env, "get", "https://index.docker.io/v1/")
	var login struct{ Username, Secret string }
	if code != 0 || json.Unmarshal([]byte(out), &login) != nil || login.Secret != token || login.Username != "mockserver" {
		t.Errorf("%d %q", code, strings.ReplaceAll(out, token, "THE TOKEN"))
	}
	env[0] = "PURSER_SECRET_ID=moto/none"
	if out, errs, code := a.program(dir, env, "get", "docker.io"); code != 1 || out != errs || !strings.Contains(out, "there is no secret moto/none") {
		t.Errorf("a missing secret: %d %q", code, out)
	}
}
