package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// TestTheSandboxRunsARotation runs a sandbox with the rotation function, and asks
// its Secrets Manager for a rotation, as a schedule does.
func TestTheSandboxRunsARotation(t *testing.T) {
	bin, work, checkout := t.TempDir(), t.TempDir(), t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".", "../purser-lambda")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	writeFile(t, filepath.Join(work, "purser.yaml"), `aws: {region: eu-west-2}
credentials:
  app: {registry: docker.io, username: practice, repositories: [practice/app], access: push, store: {secret: practice/app}, rotate: {every: 30d}}
`)
	env := []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + work, "TMPDIR=" + work, "CI=true",
		"PURSER_CONFIG=" + filepath.Join(work, "purser.yaml"), "PURSER_MANAGEMENT_SECRET_ID=practice/management",
	}
	purser := func(in string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "purser"), args...)
		cmd.Dir, cmd.Env, cmd.Stdin = checkout, env, strings.NewReader(in)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("purser %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return out
	}
	var up saidJSON
	if err := json.Unmarshal(purser("", "sandbox", "up", "--output", "json", "--function", "purser-lambda"), &up); err != nil {
		t.Fatal(err)
	}
	for name, value := range up.Sandbox.Variables {
		env = append(env, name+"="+value)
	}
	t.Cleanup(func() {
		down := exec.Command(filepath.Join(bin, "purser"), "sandbox", "down")
		down.Env = env
		if out, err := down.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	read := func(name string) string {
		raw, err := os.ReadFile(filepath.Join(up.Sandbox.Folder, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(raw))
	}
	purser(read("app.token"), "store", "app", "--token-stdin")

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(read("sandbox-ca.pem")))
	client := sm.New(sm.Options{
		Region: "eu-west-2", BaseEndpoint: aws.String(up.Sandbox.Variables["AWS_ENDPOINT_URL"]),
		Credentials: awscredentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", ""),
		HTTPClient:  &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}},
	})
	management, err := json.Marshal(map[string]string{"username": "practice", "password": read("account.password")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("practice/management"), SecretString: aws.String(string(management))}); err != nil {
		t.Fatal(err)
	}
	asked, err := client.RotateSecret(t.Context(), &sm.RotateSecretInput{
		SecretId: aws.String("practice/app"), RotationLambdaARN: aws.String("arn:aws:lambda:eu-west-2:123456789012:function:purser-rotation"),
		RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(30)},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !becomesCurrent(t, client, "practice/app", *asked.VersionId) {
		t.Fatalf("the rotation was not done; the function said:\n%s", read("function.log"))
	}
	purser("", "check", "app")
}

// becomesCurrent waits until a version is AWSCURRENT.
func becomesCurrent(t *testing.T, client *sm.Client, name, version string) bool {
	t.Helper()
	const patience, look = 30 * time.Second, 20 * time.Millisecond
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		d, err := client.DescribeSecret(ctx, &sm.DescribeSecretInput{SecretId: &name})
		if err == nil && slices.Contains(d.VersionIdsToStages[version], "AWSCURRENT") {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}
