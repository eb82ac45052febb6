package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/realservers"
)

// command runs purser as a user would, in a folder, with input and environment.
type command struct {
	t     *testing.T
	dir   string
	env   map[string]string
	stdin string
}

type result struct {
	code     int
	out, err string
}

func (c command) run(args ...string) result {
	c.t.Helper()
	var out, errs bytes.Buffer
	c.t.Chdir(c.dir)
	for k, v := range c.env {
		c.t.Setenv(k, v)
	}
	code := run(context.Background(), args, &app{
		env: config.ReadEnvironment(os.LookupEnv), in: strings.NewReader(c.stdin), out: &out, err: &errs,
		tty: present.Terminal{Path: filepath.Join(c.dir, "no-terminal")}, now: time.Now, random: rand.Reader,
	})
	return result{code, out.String(), errs.String()}
}

// TestTheRunningExampleAgainstMotoAndARealRegistry: real clients push with what purser
// stores in moto.
func TestTheRunningExampleAgainstMotoAndARealRegistry(t *testing.T) {
	moto := realservers.Moto(t)
	reg := realservers.Registry3(t)
	realservers.Seed(t, reg, reg.Repository)
	p := command{t: t, dir: t.TempDir(), env: map[string]string{
		"HOME": t.TempDir(), "AWS_ENDPOINT_URL": moto, "AWS_ACCESS_KEY_ID": "FAKE", "AWS_SECRET_ACCESS_KEY": "FAKE",
		"AWS_EC2_METADATA_DISABLED": "true", "CI": "", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	}}
	writeFile(t, filepath.Join(p.dir, "purser.yaml"), `
aws: {profile: mockserver-build, region: eu-west-2}
credentials:
  dockerhub:
    registry: `+reg.Host+`
    username: `+reg.Push.Name+`
    repositories: [`+reg.Repository+`]
    access: push
    store:
      - {secret: mockserver-build/dockerhub}
      - {secret: mockserver-release/dockerhub, region: us-east-1, shape: password}
`)
	p.stdin = reg.Push.Password

	missing := p.run("store", "dockerhub", "--token-stdin")
	expect(t, missing, present.ExitMissing, "there is no secret mockserver-build/dockerhub in eu-west-2",
		"arn:aws:secretsmanager:eu-west-2:123456789012:secret:mockserver-build/dockerhub-??????", `resource "aws_secretsmanager_secret" "dockerhub"`)

	stored := p.run("store", "dockerhub", "--token-stdin", "--create")
	expect(t, stored, present.ExitOK, "is AWSCURRENT", "username: yes · token: yes", "identical to what purser sent", "username: yes · password: yes")

	again := p.run("store", "dockerhub", "-")
	expect(t, again, present.ExitOK, "already holds this token; nothing was written")

	checked := p.run("check", "--output", "json")
	expect(t, checked, present.ExitOK, `"verdict": "granted"`)
	for _, client := range realservers.Clients() {
		if err := realservers.Push(t, client, reg, reg.Repository, reg.Push.Name, readSecret(t, moto)); err != nil {
			t.Errorf("%s cannot push with what was stored: %v", client, err)
		}
	}

	p.stdin = reg.Pull.Password
	refused := p.run("store", "dockerhub", "--token-stdin", "--username", reg.Pull.Name)
	expect(t, refused, present.ExitBad, "its account may not push", "write access")
	expect(t, p.run("check"), present.ExitOK, "good for "+reg.Repository)

	status := p.run("status")
	expect(t, status, present.ExitOK, "mockserver-build/dockerhub", "mockserver-release/dockerhub", "current")
	for _, r := range []result{missing, stored, again, checked, refused, status} {
		for _, secret := range []string{reg.Push.Password, reg.Pull.Password} {
			if credential.Shows(r.out+r.err, credential.NewSecret(secret)) {
				t.Errorf("the output shows a password:\n%s%s", r.out, r.err)
			}
		}
	}
}

func expect(t *testing.T, r result, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d\n%s%s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			t.Errorf("the output lacks %q:\n%s%s", text, r.out, r.err)
		}
	}
}

// readSecret reads what is stored, as a build agent does.
func readSecret(t *testing.T, endpoint string) string {
	t.Helper()
	value := getSecretValue(t, endpoint, "eu-west-2", "mockserver-build/dockerhub")
	var login struct{ Username, Token string }
	if err := json.Unmarshal([]byte(value), &login); err != nil {
		t.Fatal(err)
	}
	return login.Token
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
