package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker-credential-helpers/credentials"

	"purser/internal/config"
	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/wire"
)

const (
	token     = "dckr_pat_" + "FAKEfakeFAKEfakeFAKEfake1"
	ghcrToken = "ghp_" + "FAKEfakeFAKEfakeFAKEfake1"
)

// tokenFor returns the fake token of a secret.
func tokenFor(name string) string {
	if strings.Contains(name, "ghcr") {
		return ghcrToken
	}
	return token
}

// agent is a build agent with a Secrets Manager and a system configuration.
type agent struct {
	*testing.T
	env    config.Environment
	system string
	aws    *sandboxaws.SecretsManager
	at     string

	ring    string // the kernel keyring of this test
	keyring func() (cache, error)
}

const agentConfig = `aws: {region: eu-west-2}
credentials:
  snapshots:
    registry: docker.io
    username: mockserver
    repositories: [mockserver/mockserver]
    store: {secret: mockserver-build/dockerhub}
  charts:
    registry: ghcr.io
    repositories: [mock-server/charts]
    store: {secret: mockserver-release/ghcr-token}
`

// trustedDir is a folder that only this user may write; a temporary one may not be.
func trustedDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newAgent(t *testing.T, text string) *agent {
	t.Helper()
	a := &agent{T: t, system: filepath.Join(trustedDir(t), "purser.yaml"), aws: sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})}
	server := httptest.NewServer(a.aws)
	t.Cleanup(server.Close)
	a.at = server.URL
	if text != "" {
		a.write(a.system, text, 0o600)
	}
	a.keep("mockserver-build/dockerhub")
	a.keep("mockserver-release/ghcr-token")
	return a
}

func (a *agent) write(path, text string, mode os.FileMode) {
	a.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		a.Fatal(err)
	}
}

// keep stores a login.
func (a *agent) keep(secret string) {
	a.Helper()
	w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: a.at}}
	s, err := w.Bare(a.Context(), credential.Credential{}, credential.Target{Kind: "secret", Name: secret, Region: "eu-west-2"})
	if err != nil {
		a.Fatal(err)
	}
	id := credential.VersionID("purser-01936f5e-0000-7000-8000-000000000001")
	value := credential.NewSecret(`{"username":"mockserver","token":"` + tokenFor(secret) + `"}`)
	if err := errors.Join(s.Create(a.Context()), s.Stage(a.Context(), id, value), s.Promote(a.Context(), id, id)); err != nil {
		a.Fatal(err)
	}
}

// call calls an operation of the AWS stand-in.
func (a *agent) call(operation, body string) {
	a.Helper()
	req, err := http.NewRequestWithContext(a.Context(), http.MethodPost, a.at, strings.NewReader(body))
	if err != nil {
		a.Fatal(err)
	}
	now := time.Now().UTC()
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	req.Header.Set("X-Amz-Date", now.Format("20060102T150405Z"))
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=TEST/"+now.Format("20060102")+"/eu-west-2/secretsmanager/aws4_request, SignedHeaders=host;x-amz-date, Signature=0000")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		a.Fatalf("%s: %s", operation, resp.Status)
	}
}

// put stores a raw value.
func (a *agent) put(secret, value string) {
	a.Helper()
	text, _ := json.Marshal(map[string]string{"SecretId": secret, "SecretString": value, "ClientRequestToken": strings.Repeat("t", 32)})
	a.call("PutSecretValue", string(text))
}

// putBinary stores a binary value.
func (a *agent) putBinary(secret string) {
	a.Helper()
	a.call("PutSecretValue", `{"SecretId":"`+secret+`","SecretBinary":"RkFLRQ==","ClientRequestToken":"`+strings.Repeat("b", 32)+`"}`)
}

func newPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// ask runs a verb.
func (a *agent) ask(verb, asked string) (out, errs string, code int) {
	var o, e bytes.Buffer
	code = run(a.Context(), []string{verb}, &helper{
		env: a.env, system: a.system, in: strings.NewReader(asked), out: &o, err: &e, now: time.Now, aws: &wire.LocalAWS{Endpoint: a.at},
		keyring: a.keyring,
	})
	return o.String(), e.String(), code
}

func (a *agent) gives(asked string) bool {
	out, _, code := a.ask("get", asked)
	var login struct{ ServerURL, Username, Secret string }
	return code == 0 && json.Unmarshal([]byte(out), &login) == nil && login.ServerURL == asked && login.Username == "mockserver" && login.Secret == tokenFor(asked)
}

func TestEveryNameOfTheRegistryGetsTheLogin(t *testing.T) {
	a := newAgent(t, agentConfig)
	for _, asked := range []string{
		"https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io", "https://registry-1.docker.io/v2/",
		"index.docker.io/mockserver/mockserver", "docker.io/library/alpine", "DOCKER.IO", "https://docker.io:443", "ghcr.io", "https://ghcr.io", "ghcr.io/mock-server/charts",
	} {
		if !a.gives(asked) {
			out, _, _ := a.ask("get", asked)
			t.Errorf("%s: %s", asked, strings.ReplaceAll(out, token, "…"))
		}
	}
}

// For other names, the helper does not even call AWS.
func TestOtherNamesAreNotFound(t *testing.T) {
	a := newAgent(t, agentConfig)
	before := len(a.aws.Calls())
	for _, asked := range []string{
		"", "quay.io", "https://index.docker.io/v1/refresh-token", "docker.io.evil.example", "evil-docker.io", "docker.io.", "d0cker.io", "docker.io:444",
		"https://docker.io@evil.example/", "evil.example/docker.io", "evil.example?docker.io", "evil.example#docker.io", `evil.example\docker.io`,
		"ftp://docker.io", "docker.io\nevil.example", "ghcr.io:8443", "xn--dcker-jua.io", "https://", "://docker.io", strings.Repeat("a", 5000),
	} {
		out, errs, code := a.ask("get", asked)
		want := credentials.NewErrCredentialsNotFound().Error() + "\n"
		if code != 1 || out != want || errs != want {
			t.Errorf("%q: %d, %q", asked, code, strings.ReplaceAll(out, token, "THE TOKEN"))
		}
	}
	if calls := a.aws.Calls()[before:]; len(calls) > 0 {
		t.Errorf("it called AWS: %v", calls)
	}
	out, _, code := a.ask("get", "http://docker.io")
	if code != 1 || !strings.Contains(out, "plain http") {
		t.Errorf("plain http: %d, %q", code, out)
	}
}

func TestACredentialForTheRepositoryWins(t *testing.T) {
	const two = `aws: {region: eu-west-2}
credentials:
  snapshots:
    registry: docker.io
    repositories: [mockserver/mockserver]
    store: {secret: mockserver-build/dockerhub}
  releases:
    registry: docker.io
    repositories: [mockserver/release]
    store: {secret: elsewhere}
`
	a := newAgent(t, two)
	if !a.gives("index.docker.io/mockserver/mockserver") {
		t.Error("it did not choose the repository's credential")
	}
	out, errs, code := a.ask("get", "https://index.docker.io/v1/")
	if code != 1 || !strings.Contains(out, "snapshots, releases; choose one with PURSER_CREDENTIAL") || out != errs {
		t.Errorf("%d %q", code, out)
	}
	a.env.Credential = "snapshots"
	if !a.gives("https://index.docker.io/v1/") {
		t.Error("it did not choose the named credential")
	}
	a.env.Credential = "nobody"
	if out, _, _ := a.ask("get", "docker.io"); out != credentials.NewErrCredentialsNotFound().Error()+"\n" {
		t.Errorf("an unknown credential: %q", out)
	}
}

func TestFailuresGoToBothStreamsAndAreNotNotFound(t *testing.T) {
	for name, c := range map[string]struct {
		fault sandboxaws.Fault
		want  string
	}{
		"denied":          {sandboxaws.Fault{Code: "AccessDeniedException", Message: "User: x is not authorized to perform: secretsmanager:GetSecretValue because no identity-based policy allows it", Times: -1}, "secretsmanager:GetSecretValue"},
		"missing":         {sandboxaws.Fault{Code: "ResourceNotFoundException", Message: "can't find", Times: -1}, "there is no secret|holds no value"},
		"kms":             {sandboxaws.Fault{Code: "AccessDeniedException", Message: "Access to KMS is not allowed", Times: -1}, "Access to KMS is not allowed"},
		"an expired role": {sandboxaws.Fault{Code: "ExpiredTokenException", Message: "The security token included in the request is expired", Times: -1}, "ExpiredTokenException"},
		"no answer":       {sandboxaws.Fault{Hang: true, Times: -1}, "timed out after 1s while finding AWS credentials and reading mockserver-build/dockerhub"},
	} {
		a := newAgent(t, agentConfig)
		a.env.HelperTimeout = time.Second
		a.aws.Fault("GetSecretValue", c.fault)
		out, errs, code := a.ask("get", "docker.io")
		some := false
		for _, w := range strings.Split(c.want, "|") {
			some = some || strings.Contains(out, w)
		}
		if code != 1 || out != errs || !some || strings.Contains(out, "not found") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %d %q", name, code, out)
		}
	}
}

func TestVerbsOtherThanGetReadNothing(t *testing.T) {
	a := newAgent(t, agentConfig)
	before := len(a.aws.Calls())
	for verb, want := range map[string]string{
		"store": "", "erase": "", "list": `{"ghcr.io":"","https://index.docker.io/v1/":"mockserver"}` + "\n",
	} {
		out, errs, code := a.ask(verb, `{"ServerURL":"docker.io","Username":"x","Secret":"FAKE"}`)
		if code != 0 || out != want || errs != "" {
			t.Errorf("%s: %d %q %q", verb, code, out, errs)
		}
	}
	if out, _, code := a.ask("version", ""); code != 0 || !strings.HasPrefix(out, "docker-credential-purser ") {
		t.Errorf("version: %d %q", code, out)
	}
	if out, _, code := a.ask(token, ""); code != 1 || strings.Contains(out, "FAKE") {
		t.Errorf("another verb: %d %q", code, out)
	}
	if len(a.aws.Calls()) != before {
		t.Error("it called AWS")
	}
}

// TestAPullRequestCannotNameAnotherRegistry tries every way to get a token sent to another registry.
func TestAPullRequestCannotNameAnotherRegistry(t *testing.T) {
	evil := strings.ReplaceAll(agentConfig, "docker.io", "evil.example")
	lured := func(a *agent) {
		a.Helper()
		out, _, _ := a.ask("get", "evil.example")
		if strings.Contains(out, token) || a.gives("evil.example") {
			a.Error("it returned the token for another registry")
		}
	}
	t.Run("a purser.yaml in the checkout", func(t *testing.T) {
		a := newAgent(t, agentConfig)
		checkout := trustedDir(t)
		a.write(filepath.Join(checkout, "purser.yaml"), evil, 0o600)
		t.Chdir(checkout)
		a.T = t
		lured(a)
		a.system = filepath.Join(checkout, "none") // even without a system file, the checkout's is not used
		for _, path := range []string{"purser.yaml", "./purser.yaml", filepath.Join(checkout, "purser.yaml")} {
			a.env.Config = path
			if out, _, _ := a.ask("get", "evil.example"); !strings.Contains(out, "does not trust") {
				t.Errorf("%s: %q", path, out)
			}
		}
		outside := filepath.Join(trustedDir(t), "link.yaml")
		if err := os.Symlink(filepath.Join(checkout, "purser.yaml"), outside); err == nil {
			a.env.Config = outside
			if out, _, _ := a.ask("get", "evil.example"); !strings.Contains(out, "does not trust") {
				t.Errorf("a link to it: %q", out)
			}
		}
	})
	t.Run("variables", func(t *testing.T) {
		a := newAgent(t, agentConfig)
		other := filepath.Join(trustedDir(t), "other.yaml")
		a.write(other, evil, 0o600)
		for _, env := range []config.Environment{
			{Config: other}, {SecretID: "mockserver-build/dockerhub", Registry: "evil.example"},
			{SecretID: "mockserver-release/ghcr-token", Registry: "docker.io"}, {SecretID: "mockserver-build/dockerhub", Registry: "evil.example", Credential: "snapshots"},
		} {
			a.env = env
			lured(a)
			if out, _, code := a.ask("get", "docker.io"); code != 1 || !strings.Contains(out, "purser refuses PURSER_") {
				t.Errorf("%+v: %q", env, out)
			}
		}
		a.env = config.Environment{SecretID: "mockserver-build/dockerhub"}
		if !a.gives("docker.io") {
			t.Error("it refused a secret of the system's file")
		}
	})
	t.Run("files that others may write", func(t *testing.T) {
		a := newAgent(t, "")
		dir := trustedDir(t)
		path := filepath.Join(dir, "purser.yaml")
		a.env.Config = path
		a.write(path, agentConfig, 0o600)
		if !a.gives("docker.io") {
			t.Error("it refused the user's own file")
		}
		for name, spoil := range map[string]func() error{
			"the group":  func() error { return os.Chmod(path, 0o660) },
			"all":        func() error { return os.Chmod(path, 0o602) },
			"its folder": func() error { return errors.Join(os.Chmod(path, 0o600), os.Chmod(dir, 0o777)) },
		} {
			if err := spoil(); err != nil {
				t.Fatal(err)
			}
			if out, _, _ := a.ask("get", "docker.io"); !strings.Contains(out, "does not trust") {
				t.Errorf("%s: %q", name, strings.ReplaceAll(out, token, "THE TOKEN"))
			}
			_ = os.Chmod(dir, 0o700)
		}
	})
}

func TestATokenAmongTheVariablesIsRefused(t *testing.T) {
	a := newAgent(t, "")
	before := len(a.aws.Calls())
	for _, name := range []string{"PURSER_SECRET_ID", "PURSER_REGISTRY", "PURSER_SHAPE", "PURSER_CREDENTIAL", "PURSER_CONFIG", "AWS_PROFILE"} {
		a.env = config.ReadEnvironment(func(asked string) (string, bool) { return "user," + token, asked == name })
		if out, _, code := a.ask("get", "docker.io"); code != 1 || strings.Contains(out, "FAKE") || !strings.Contains(out, "the variable "+name+" contains a token") || len(a.aws.Calls()) > before {
			t.Errorf("%s: %d %q", name, code, out)
		}
	}
}

func TestTheEnvironmentAloneIsEnough(t *testing.T) {
	a := newAgent(t, "")
	a.env = config.Environment{SecretID: "mockserver-build/dockerhub", AWSRegion: "eu-west-2"}
	t.Setenv("AWS_REGION", "eu-west-2")
	if !a.gives("https://index.docker.io/v1/") {
		out, _, _ := a.ask("get", "docker.io")
		t.Errorf("docker.io is not the default: %s", out)
	}
	a.env.SecretID, a.env.Registry = "mockserver-release/ghcr-token", "ghcr.io"
	if a.gives("docker.io") || !a.gives("ghcr.io") {
		t.Error("PURSER_REGISTRY was not followed")
	}
}

// A token's prefix says which vendor it belongs to, whatever a variable or file says.
func TestATokenIsNotReturnedForAnotherVendorsRegistry(t *testing.T) {
	a := newAgent(t, "")
	t.Setenv("AWS_REGION", "eu-west-2")
	for _, host := range []string{"ghcr.io", "quay.io", "registry.gitlab.com", "evil.example", "127.0.0.1:5000"} {
		a.env = config.Environment{SecretID: "mockserver-build/dockerhub", AWSRegion: "eu-west-2", Registry: host}
		out, _, code := a.ask("get", host)
		if code != 1 || strings.Contains(out, "FAKE") || !strings.Contains(out, "it looks like a token of Docker Hub") {
			t.Errorf("%s: %d %q", host, code, strings.ReplaceAll(out, token, "THE TOKEN"))
		}
	}
}
