package main

import (
	"archive/zip"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"purser/internal/realservers"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
)

// bootstrap returns the deployed program, unpacked from its zip. It checks the zips of both architectures.
func bootstrap(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "run", "purser/deploy/lambda", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program := ""
	for arch, machine := range map[string]elf.Machine{"arm64": elf.EM_AARCH64, "amd64": elf.EM_X86_64} {
		z, err := zip.OpenReader(filepath.Join(dir, "purser-lambda-"+arch+".zip"))
		if err != nil {
			t.Fatal(err)
		}
		if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode().Perm() != 0o755 {
			t.Errorf("%s: the zip has %v", arch, z.File)
		}
		path := filepath.Join(dir, arch)
		extract(t, z.File[0], path)
		_ = z.Close()
		f, err := elf.Open(path)
		if err != nil || f.Machine != machine {
			t.Errorf("%s: %v %v", arch, f, err)
		}
		if arch == runtime.GOARCH {
			program = path
		}
	}
	if program == "" {
		t.Skipf("skipped: the function is not built for %s", runtime.GOARCH)
	}
	return program
}

func extract(t *testing.T, f *zip.File, path string) {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o700); err != nil {
		t.Fatal(err)
	}
}

// environment returns the program's environment in Lambda.
func environment(t *testing.T, box *sandbox.Sandbox) []string {
	t.Helper()
	env, err := box.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return append(
		env, "AWS_LAMBDA_RUNTIME_API="+box.LambdaAPI, "_HANDLER=bootstrap", "AWS_LAMBDA_FUNCTION_NAME=purser-rotation", "AWS_REGION=eu-west-2",
		"PURSER_CONFIG_TEXT="+configText, "PURSER_MANAGEMENT_SECRET_ID="+management, "AWS_MAX_ATTEMPTS=1",
	)
}

// start runs a program like Lambda does, until end is called or the test ends.
func start(t *testing.T, cmd *exec.Cmd) (end func()) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	t.Cleanup(end)
	return end
}

// TestTheFunctionUnderLambda rotates with the deployed program, over the same APIs as in AWS.
func TestTheFunctionUnderLambda(t *testing.T) {
	program := bootstrap(t)
	box, err := sandbox.Start(t.Context(), sandbox.Options{Function: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	b := &bench{T: t, aws: box.SecretsManager}
	b.use(box, box.SecretsManagerURL)
	cmd := exec.Command(program)
	cmd.Env = environment(t, box)
	start(t, cmd)

	b.begin(version)
	box.SecretsManager.Settle()
	stages, tokens := b.state()
	if stages["AWSCURRENT"] != version || tokens != 2 {
		t.Fatalf("stages %v, %d tokens", stages, tokens)
	}
	b.works("after a rotation")

	// A failed step pauses the rotation, and AWS resumes it.
	second := strings.Replace(version, "4f", "5f", 1)
	box.Hub.Fault("mint", sandbox.Fault{Status: 503})
	b.begin(second)
	box.SecretsManager.Settle()
	if stages, _ := b.state(); stages["AWSCURRENT"] != version || stages["AWSPENDING"] != second {
		t.Errorf("after a failure: %v", stages)
	}
	b.works("after a failure")
	if _, err := b.secrets.RotateSecret(t.Context(), &sm.RotateSecretInput{SecretId: aws.String(secretName)}); err == nil {
		t.Error("a rotation started before the previous one finished")
	}
	box.SecretsManager.Settle()
	if stages, _ := b.state(); stages["AWSCURRENT"] != second || stages["AWSPENDING"] != "" {
		t.Errorf("once more: %v", stages)
	}
	b.works("once more")

	var failed *sandboxaws.FunctionError
	if _, err := box.Lambda.Invoke(t.Context(), []byte(`{"Step":"create_secret"}`)); !errors.As(err, &failed) || !strings.Contains(failed.Message, "not a rotation event") {
		t.Errorf("an invalid event: %v", err)
	}
	box.SecretsManager.Overdue(secretName, 48*60*60*1e9)
	raw, err := json.Marshal(map[string]string{"purser": "daily", "SecretId": b.arn})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.Lambda.Invoke(t.Context(), raw); !errors.As(err, &failed) || !strings.Contains(failed.Message, "overdue") {
		t.Errorf("an overdue rotation: %v", err)
	}
	if want := []string{eventDone, eventFailed, eventDone, eventOverdue}; !slices.Equal(b.events(), want) {
		t.Errorf("events %v, want %v", b.events(), want)
	}
}

// motoFunction makes a function for RotateSecret to find. It never runs.
func motoFunction(t *testing.T, address string) {
	t.Helper()
	trust := url.QueryEscape(`{"Version":"2012-10-17","Statement":[]}`)
	for _, r := range []struct{ service, path, kind, body string }{
		{"iam", "/", "application/x-www-form-urlencoded", "Action=CreateRole&Version=2010-05-08&RoleName=rotation&AssumeRolePolicyDocument=" + trust},
		{
			"lambda", "/2015-03-31/functions", "application/json",
			`{"FunctionName":"purser-rotation","Runtime":"provided.al2023","Handler":"bootstrap","Role":"arn:aws:iam::123456789012:role/rotation","Code":{"ZipFile":"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA=="}}`,
		},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", r.kind)
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=SANDBOX/20260101/eu-west-2/"+r.service+"/aws4_request, SignedHeaders=host, Signature=0")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode >= http.StatusMultipleChoices {
			t.Fatalf("%s: %s", r.service, resp.Status)
		}
	}
}

// TestTheFunctionWithMoto uses another implementation of Secrets Manager. Its RotateSecret makes the empty
// version for the first step, but invokes nothing.
func TestTheFunctionWithMoto(t *testing.T) {
	address := realservers.Moto(t)
	b := newBench(t)
	old := b.box
	b.use(old, address)
	b.f.aws.Endpoint = address
	b.f.env.EventBus = busOff
	if err := b.step(createSecret, version); err == nil {
		t.Error("a step succeeded although rotation is not enabled")
	}
	motoFunction(t, address)
	b.begin(version)
	stages, _ := b.state()
	if stages["AWSPENDING"] != version {
		t.Skipf("skipped: this moto leaves %v when a rotation starts; the sandbox covers it", stages)
	}
	if err := b.steps(version); err != nil {
		t.Fatal(err)
	}
	if stages, tokens := b.state(); stages["AWSCURRENT"] != version || tokens != 3 {
		t.Errorf("stages %v, %d tokens: want two first tokens and the new one", stages, tokens)
	}
	b.works("with moto")
	if err := b.steps(version); err != nil {
		t.Errorf("repeated: %v", err)
	}
}
