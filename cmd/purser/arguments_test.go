package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purser/internal/arguments"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/practice"
	"purser/internal/present"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/wire"
)

// argumentTokens are tokens as people and scripts put them into arguments.
var argumentTokens = map[string]string{
	"a personal token": "dckr_pat_" + "FAKEfakeFAKEfakeFAKEfake000",
	"GitHub's":         "ghp_" + "FAKEfakeFAKEfakeFAKEfakeFAKE00000000",
	"GitLab's":         "glpat-" + "FAKEfakeFAKEfake0000",
	"a session":        "eyJhbGciOiJSUzI1NiJ9." + "eyJzdWIiOiJGQUtFRkFLRSJ9." + "RkFLRWNhbmFyeUZBS0U",
}

// argumentForms are arguments that hold the token %s.
var argumentForms = []string{"%s", "user,%s", "x:%s", "role/%s", "/tmp/%s", "%s/file.json", "A,%s,B", `"%s"`, "Bearer %s", "https://%s@ghcr.io/v2", "x=%s", "a-%s", "%s.", "\t%s"}

// neverSaid runs a command line, and reports whether purser refused it because of a token.
// Nothing may show the token.
func neverSaid(t *testing.T, token string, args ...string) {
	t.Helper()
	line := strings.ReplaceAll(strings.Join(args, " "), token, "TOKEN")
	if arguments.RefuseTokens(args) == nil {
		t.Errorf("purser %s would run", line) // do not run it: it may be any command
		return
	}
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, now: time.Now}
	if code := run(context.Background(), args, a); code != present.ExitUsage {
		t.Errorf("purser %s: exit code %d, want %d", line, code, present.ExitUsage)
	}
	said := out.String() + errs.String()
	if credential.Shows(said, credential.NewSecret(token)) {
		t.Errorf("purser %s shows the token", line)
	}
	if !strings.Contains(said, "you gave a token as an argument") {
		t.Errorf("purser %s does not say that a token was given: %s", line, said)
	}
}

// TestATokenAnywhereInAnArgumentIsRefused covers all commands and flags.
func TestATokenAnywhereInAnArgumentIsRefused(t *testing.T) {
	commands, flags := 0, 0
	eachCommand((&app{}).root(), func(cmd *cobra.Command) {
		commands++
		path := strings.Fields(cmd.CommandPath())[1:]
		with := func(more ...string) []string { return append(append([]string{}, path...), more...) }
		for _, token := range argumentTokens {
			for _, form := range argumentForms {
				text := strings.ReplaceAll(form, "%s", token)
				neverSaid(t, token, with(text)...)
				neverSaid(t, token, with("x", text)...)
				neverSaid(t, token, with("--", text)...)
			}
		}
		try := func(f *pflag.Flag) {
			if f.Value.Type() == "bool" {
				return
			}
			flags++
			for name, token := range argumentTokens {
				for _, form := range argumentForms {
					text := strings.ReplaceAll(form, "%s", token)
					neverSaid(t, token, with("--"+f.Name+"="+text)...)
					neverSaid(t, token, with("--"+f.Name, text)...)
					if f.Shorthand != "" {
						neverSaid(t, token, with("-"+f.Shorthand, text)...)
						neverSaid(t, token, with("-"+f.Shorthand+text)...)
					}
				}
				if name == "a personal token" {
					neverSaid(t, token, with("--"+f.Name+"=user"+token)...) // without a separator
				}
			}
		}
		cmd.InheritedFlags().VisitAll(try)
		cmd.LocalFlags().VisitAll(try)
	})
	if commands < 30 || flags < 100 {
		t.Errorf("found %d commands and %d flags", commands, flags)
	}
}

func TestATokenInArgumentsIsRefusedAsJSONAsWell(t *testing.T) {
	token := argumentTokens["a personal token"]
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs, now: time.Now, dir: t.TempDir()}
	a.output.JSON = true
	if code := run(context.Background(), []string{"exec", "dockerhub", "--env", "A," + token, "--", "true"}, a); code != present.ExitUsage {
		t.Errorf("exit code %d", code)
	}
	var r saidJSON
	if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Error == nil || r.Error.Reason != string(credential.TokenInArguments) {
		t.Errorf("%s%s", out.String(), errs.String())
	}
	if credential.Shows(out.String()+errs.String(), credential.NewSecret(token)) {
		t.Error("the token is shown")
	}
}

// TestThePrefixOfATokenIsNoToken: people search for it with commands that they run.
func TestThePrefixOfATokenIsNoToken(t *testing.T) {
	for _, args := range [][]string{{"exec", "x", "--", "grep", "-rE", "dckr_pat_[A-Za-z0-9]+", "."}, {"check", "high_performance"}, {"check", "--config", "/srv/highs_and_lows/purser.yaml"}} {
		if err := arguments.RefuseTokens(args); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

func TestEscapesInArgumentsAreRefused(t *testing.T) {
	for _, args := range [][]string{{"store", "x", "--file", "/tmp/\x1b[31m"}, {"check", "--config", "a\u202eb"}, {"login", "aws", "--profile", "a\nb"}} {
		if err := arguments.RefuseEscapes(args); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, args := range [][]string{{"exec", "x", "--", "printf", "a\n\x1b[0m"}, {"check", "--config", "/srv/größe und so/purser.yaml"}} {
		if err := arguments.RefuseEscapes(args); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestATokenInAVariableIsRefused tries each variable with commands that would show it.
func TestATokenInAVariableIsRefused(t *testing.T) {
	token := argumentTokens["a personal token"]
	for _, v := range config.Variables() {
		env := config.ReadEnvironment(func(name string) (string, bool) { return "/tmp/a:" + token, name == v.Name })
		if env.Misplaced == "" {
			continue // it may hold one: purser only looks whether it is set
		}
		for _, args := range [][]string{{"check"}, {"doctor"}, {"store", "dockerhub", "-"}, {"exec", "--", "true"}, {"login", "aws"}, {"configure-docker"}} {
			var out, errs bytes.Buffer
			a := &app{env: env, in: strings.NewReader(""), out: &out, err: &errs, now: time.Now, dir: t.TempDir()}
			code := run(context.Background(), args, a)
			said := out.String() + errs.String()
			if code != present.ExitUsage || !strings.Contains(said, "the variable "+v.Name+" contains a token") || credential.Shows(said, credential.NewSecret(token)) {
				t.Errorf("%s, purser %s: exit code %d: %s", v.Name, strings.Join(args, " "), code, strings.ReplaceAll(said, token, "TOKEN"))
			}
		}
	}
}

// TestATokenInSomebodyElsesFileIsNotShown puts one into every text of AWS's, docker's and
// Terraform's files and of scripts, and runs the commands that read them.
func TestATokenInSomebodyElsesFileIsNotShown(t *testing.T) {
	token := argumentTokens["a personal token"]
	const awsConfig = "[profile mockserver-build]\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = Admin\nregion = eu-west-2\n" +
		"[sso-session work]\nsso_start_url = https://work.awsapps.example/start\nsso_region = eu-west-2\n" +
		"[profile other]\nrole_arn = arn:aws:iam::123456789012:role/x\nsource_profile = mockserver-build\n[profile machine]\nrole_arn = r\ncredential_source = Ec2InstanceMetadata\n" +
		"[profile web]\nrole_arn = r\nweb_identity_token_file = /tokens/web\n"
	const dockerConfig = `{"auths":{"https://index.docker.io/v1/":{"auth":"AUTH"}},"credHelpers":{"quay.io":"some-helper"},"credsStore":"desktop","currentContext":"here"}`
	const tf = "provider \"aws\" {\n  profile = \"mockserver-build\"\n  region = \"eu-west-2\"\n}\nresource \"aws_secretsmanager_secret\" \"dockerhub\" {\n  name = \"mockserver-build/dockerhub\"\n  description = \"for CI\"\n  kms_key_id = \"alias/x\"\n}\n" +
		"resource \"aws_secretsmanager_secret_version\" \"value\" {\n  secret_id = aws_secretsmanager_secret.dockerhub.id\n  secret_string = \"x\"\n}\nresource \"aws_secretsmanager_secret\" \"nameless\" {\n  description = var.nothing\n}\n"
	const ci = "export PROFILE=mockserver-build\naws secretsmanager get-secret-value --secret-id mockserver-build/dockerhub --profile $PROFILE --region eu-west-2 | jq -r .token | docker login --username mockserver --password-stdin docker.io\naws secretsmanager get-secret-value --secret-id $UNKNOWN\ndocker push mockserver/mockserver:latest\n"
	standIn := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{}))
	t.Cleanup(standIn.Close)
	files := map[string]string{"aws": awsConfig, "docker/config.json": dockerConfig, "tf/main.tf": tf, "ci.sh": ci}
	words := regexp.MustCompile(`[A-Za-z0-9][A-Za-z0-9-]{3,}`)
	for name, text := range files {
		for _, at := range words.FindAllStringIndex(text, -1) {
			for _, form := range []string{"%s", "x:%s"} {
				spoiled := text[:at[0]] + strings.ReplaceAll(form, "%s", token) + text[at[1]:]
				spoiled = strings.ReplaceAll(spoiled, "AUTH", base64.StdEncoding.EncodeToString([]byte("mockserver:"+token)))
				looksAtFiles(t, standIn.URL, token, files, name, spoiled)
			}
		}
	}
	asUser := base64.StdEncoding.EncodeToString([]byte(token + ":" + token))
	looksAtFiles(t, standIn.URL, token, files, "docker/config.json", strings.ReplaceAll(dockerConfig[:strings.Index(dockerConfig, `,"credHelpers"`)]+"}", "AUTH", asUser))
}

// looksAtFiles runs the commands that read others' files, one of which is broken.
func looksAtFiles(t *testing.T, aws, token string, files map[string]string, spoiled, text string) {
	t.Helper()
	dir := t.TempDir()
	for name, good := range files {
		if name == spoiled {
			good = text
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, name), good)
	}
	writeFile(t, filepath.Join(dir, "purser.yaml"), scriptConfig)
	commands := map[string][][]string{
		"aws": {{"login", "aws"}, {"login", "aws", "--profile", "other"}, {"login", "aws", "--profile", "machine"}, {"login", "aws", "--profile", "web"}, {"logout", "aws"}, {"login", "aws", "--profile", "mockserver-buil"}, {"check", "dockerhub"},
			{"login", "aws", "--profile", "mockserver-build", "--start-url", "https://a.example/start", "--sso-region", "eu-west-2", "--account", "123456789012", "--role", "x"}},
		"docker/config.json": {{"store", "dockerhub", "--from", "docker", "--yes", "--create"}, {"configure-docker", "--dry-run"}, {"doctor"}},
		"tf/main.tf":         {{"init", "--from-terraform", "tf", "--dry-run"}, {"store", "dockerhub", "-"}, {"doctor", "dockerhub"}, {"init", "--from-terraform", "tf", "--repository", "a/b", "--dry-run"}},
		"ci.sh":              {{"init", "--from-script", "ci.sh", "--dry-run"}},
	}
	// The SDK must reach no network.
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "aws"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "none"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_ENDPOINT_URL", aws)
	t.Setenv("HOME", dir)
	t.Chdir(dir)
	for _, args := range commands[spoiled] {
		for _, form := range []string{"text", "json"} {
			var out, errs bytes.Buffer
			a := &app{
				env: config.ReadEnvironment(os.LookupEnv), in: strings.NewReader("x"), out: &out, err: &errs, now: time.Now, random: rand.Reader, dir: dir,
				transport: refusing{}, tty: present.Terminal{Path: filepath.Join(dir, "no terminal")},
			}
			if spoiled != "aws" {
				a.aws = &wire.LocalAWS{Endpoint: aws}
			}
			a.env.Browser, a.env.DockerConfig = "none", filepath.Join(dir, "docker")
			a.env.AWSEndpointURLSSO, a.env.AWSEndpointURLSSOOIDC = aws, aws // it cannot sign anybody in
			ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
			run(ctx, append([]string{"--output", form}, args...), a)
			stop()
			if said := out.String() + errs.String(); credential.Shows(said, credential.NewSecret(token)) {
				t.Errorf("purser %s shows the token in %s, in place of which is TOKEN: %s", strings.Join(args, " "), spoiled, strings.ReplaceAll(said, token, "TOKEN"))
			}
		}
	}
}

// refusing is a network that reaches nothing.
type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("no network")
}

// TestATokenWithSomethingAroundItIsNoPassword: purser names what you paste, as it arrives
// and when it refuses it.
func TestATokenWithSomethingAroundItIsNoPassword(t *testing.T) {
	token := argumentTokens["a personal token"]
	c := credential.Credential{Registry: "docker.io", Username: "builder"}
	for _, form := range []string{`"%s"`, "Bearer %s", "export TOKEN=%s", "builder:%s", `{"token":"%s"}`} {
		text := strings.ReplaceAll(form, "%s", token)
		for _, allowed := range []bool{false, true} {
			for said, what := range map[string]string{present.Judge(c, allowed)(credential.NewSecret(text)): "judge", present.Told(c, []byte(text)): "told"} {
				if strings.Contains(said, "password") || !strings.Contains(said, "a personal access token") || credential.Shows(said, credential.NewSecret(token)) {
					t.Errorf("%s says of %s: %s", what, form, said)
				}
			}
		}
	}
}

// saidJSON is what tests read of a report.
type saidJSON struct {
	Exit      int
	Error     *present.ErrorJSON
	Sandbox   *practice.Running
	Rotations []present.RotationJSON
}

func TestARepositoryThatIsNamedTwiceIsProvedOnce(t *testing.T) {
	c := credential.Credential{Registry: "docker.io"}
	f := storeFlags{repositories: []string{"acme/app", "docker.io/acme/app", "acme/other"}}
	if err := f.overrideRepositories(&c); err != nil || len(c.Repositories) != 2 {
		t.Errorf("%v, %v", c.Repositories, err)
	}
}

// TestTheConfigurationIsReadOnce: a command uses what it checked.
func TestTheConfigurationIsReadOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "purser.yaml")
	if err := os.WriteFile(path, []byte("credentials: {a: {registry: docker.io, repositories: [a/b]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a := &app{dir: dir, system: filepath.Join(dir, "none")}
	first, err := a.load(true)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("credentials: {a: {registry: evil.example, repositories: [a/b]}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := a.load(false); err != nil || again != first {
		t.Errorf("%v, %v", again, err)
	}
}
