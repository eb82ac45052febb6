package ciscript_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"purser/internal/ciscript"
	"purser/internal/credential"
)

func TestASignInIsFoundInAScript(t *testing.T) {
	got := ciscript.Parse("docker-login.sh", `#!/usr/bin/env bash
set +x
# aws secretsmanager get-secret-value --secret-id commented/out
DOCKERHUB_SECRET_ID="${DOCKERHUB_SECRET_ID:-mockserver-build/dockerhub}"
json=$(aws secretsmanager get-secret-value \
  --profile mockserver-build --region eu-west-2 \
  --secret-id "$DOCKERHUB_SECRET_ID" \
  --query SecretString --output text)
user=$(echo "$json" | jq -r .username)
echo "$json" | jq -r '.token' | docker login --username "$user" --password-stdin
docker buildx build --push -t mockserver/mockserver:snapshot -t "mockserver/mockserver:$TAG" .
docker push mockserver/second:latest
`)
	want := ciscript.Findings{
		Uses: []ciscript.Use{{
			At: "docker-login.sh:5", Secret: "mockserver-build/dockerhub", Profile: "mockserver-build", Region: "eu-west-2",
			Keys: []string{"username", "token"}, SignsIn: true,
		}},
		Images: []string{"mockserver/mockserver", "mockserver/second"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOtherWaysToSignInAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want ciscript.Use
	}{
		"GitHub Actions": {"steps:\n  - run: aws secretsmanager get-secret-value --secret-id=team/ghcr --query SecretString | jq -r .token | helm registry login ghcr.io --username robot --password-stdin\n", ciscript.Use{At: "x:2", Secret: "team/ghcr", Keys: []string{"token"}, Registry: "ghcr.io", Username: "robot", SignsIn: true}},
		"python":         {"S=a/b\naws secretsmanager get-secret-value --secret-id $S --output text | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"password\"])'\n", ciscript.Use{At: "x:2", Secret: "a/b", Keys: []string{"password"}}},
		"an ARN":         {"aws secretsmanager get-secret-value --secret-id 'arn:aws:secretsmanager:eu-west-2:1:secret:a/b-AbCdEf'", ciscript.Use{At: "x:1", Secret: "arn:aws:secretsmanager:eu-west-2:1:secret:a/b-AbCdEf"}},
		"a registry":     {"aws secretsmanager get-secret-value --secret-id a\ndocker login -u me --password-stdin registry.example:5000", ciscript.Use{At: "x:1", Secret: "a", Registry: "registry.example:5000", Username: "me", SignsIn: true}},
		"a pipeline env": {"env:\n  SECRET: team/docker\nsteps:\n  - command: aws secretsmanager get-secret-value --secret-id \"${SECRET}\"", ciscript.Use{At: "x:4", Secret: "team/docker"}},
	} {
		got := ciscript.Parse("x", c.text)
		if len(got.Uses) != 1 {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		if diff := cmp.Diff(c.want, got.Uses[0]); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestUnknownValuesAreNotGuessed(t *testing.T) {
	for name, text := range map[string]string{
		"a variable from outside": `aws secretsmanager get-secret-value --secret-id "$ID"`,
		"an argument":             `aws secretsmanager get-secret-value --secret-id "$1"`,
		"a command":               "aws secretsmanager get-secret-value --secret-id $(id)",
		"nothing":                 "aws secretsmanager get-secret-value",
	} {
		if got := ciscript.Parse("x", text); len(got.Uses) > 0 || len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0], "x:1: ") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestFilesThatAreNotScriptsAreRefused(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"binary": "\x7fELF\x00\x01", "not UTF-8": "\xff\xfe", "too large": strings.Repeat("x", 2<<20)} {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ciscript.Read(path); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{dir, filepath.Join(dir, "none"), "/dev/zero"} {
		if _, err := ciscript.Read(path); credential.ReasonOf(err) != credential.Usage || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestATokenInAScriptIsReportedByLineAndNotShown(t *testing.T) {
	const token = "dckr_pat_" + "FAKEfakeFAKEfakeFAKEfake12A"
	for _, text := range []string{
		"aws secretsmanager get-secret-value --secret-id " + token, "# " + token, "docker login -u me -p '" + token + "'", "X=me:" + token,
	} {
		path := filepath.Join(t.TempDir(), "s.sh")
		if err := os.WriteFile(path, []byte("true\n"+text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ciscript.Read(path)
		if credential.ReasonOf(err) != credential.TokenInArguments || !strings.Contains(err.Error(), "s.sh:2") || strings.Contains(err.Error(), "FAKE") {
			t.Errorf("%v", err)
		}
	}
}

func FuzzScript(f *testing.F) {
	f.Add("S=a\naws secretsmanager get-secret-value --secret-id ${S:-b} \\\n --region 'x' | jq -r '.token' | docker login -u \"$u\"\ndocker push a/b:c@d")
	f.Fuzz(func(t *testing.T, text string) {
		for _, u := range ciscript.Parse("x", text).Uses {
			if strings.ContainsAny(u.Secret, "\n\x1b$`") {
				t.Errorf("the secret is %q", u.Secret)
			}
		}
	})
}
