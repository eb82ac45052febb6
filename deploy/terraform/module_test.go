package module_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	module "purser/deploy/terraform"
	"purser/internal/credential"
	"purser/internal/terraform"
)

// terraformWith returns a function that runs Terraform with the fake AWS provider.
func terraformWith(t *testing.T) func(dir string, args ...string) (string, error) {
	t.Helper()
	program, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("skipped: terraform fmt, validate and test need terraform, which is not installed")
	}
	dir := t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, "terraform-provider-aws"), ".")
	build.Dir = "testprovider"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	settings := filepath.Join(dir, "terraform.rc")
	text := "provider_installation {\n  dev_overrides { \"hashicorp/aws\" = \"" + filepath.ToSlash(dir) + "\" }\n  direct {}\n}\n"
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(dir string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+settings, "TF_DATA_DIR="+filepath.Join(filepath.Dir(settings), "data"), "CHECKPOINT_DISABLE=1")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

func TestTerraformAcceptsTheModule(t *testing.T) {
	run := terraformWith(t)
	for _, args := range [][]string{{"fmt", "-check", "-recursive", "-diff"}, {"validate", "-no-color"}, {"test", "-no-color"}} {
		if out, err := run(".", args...); err != nil {
			t.Errorf("terraform %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	for _, args := range [][]string{{"get"}, {"validate", "-no-color"}} {
		if out, err := run("examples/buildkite", args...); err != nil {
			t.Errorf("the example: terraform %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// TestTheFakeProviderRefusesWrongArguments guards the other tests: a provider that accepts
// anything would prove nothing.
func TestTheFakeProviderRefusesWrongArguments(t *testing.T) {
	run := terraformWith(t)
	for name, text := range map[string]string{
		"unknown": `resource "aws_secretsmanager_secret" "a" { title = "x" }`,
		"missing": `resource "aws_secretsmanager_secret_rotation" "a" { rotation_lambda_arn = "x" }`,
		"type":    `resource "aws_secretsmanager_secret" "a" { tags = "x" }`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := run(dir, "validate", "-no-color"); err == nil {
			t.Errorf("%s: the wrong argument was accepted\n%s", name, out)
		}
	}
}

func credentials() []credential.Credential {
	return []credential.Credential{
		{
			Name: "dockerhub", Registry: "docker.io", Readers: []string{"policy/buildkite-read-dockerhub-secret", "role/queue"},
			Targets: []credential.Target{{Kind: "secret", Name: "mockserver-build/dockerhub", Region: "eu-west-2"}, {Kind: "secret", Name: "mockserver-build/dockerhub", Region: "us-east-1"}},
			Rotate:  credential.Rotation{Every: 90 * 24 * time.Hour},
		},
		{Name: "ecr-cache", Registry: "docker.io", Targets: []credential.Target{{Kind: "secret", Name: "ecr-pullthroughcache/dockerhub", Shape: credential.ShapeECRCache}}},
		{Name: "9.odd", Registry: "ghcr.io", Targets: []credential.Target{{Kind: "secret", Name: "team/ghcr"}, {Kind: "secret", Name: "team/other"}, {Kind: "file", Name: "x.age.json"}}},
	}
}

func TestTerraformAcceptsWhatPurserWrites(t *testing.T) {
	run := terraformWith(t)
	for name, o := range map[string]terraform.Options{
		"plain": {Source: "./purser"}, "key and roles": {Source: "./purser", KMSKey: "arn:aws:kms:eu-west-2:123456789012:key/1", Roles: []string{"a", "b"}},
	} {
		for form, text := range map[string]string{"module": terraform.Module(credentials(), o), "inline": terraform.Inline(credentials(), o)} {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(filepath.Join(dir, "purser"), module.Files); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"fmt", "-check", "-diff"}, {"get"}, {"validate", "-no-color"}} {
				if out, err := run(dir, args...); err != nil {
					t.Errorf("%s, %s: terraform %s: %v\n%s\n%s", name, form, args[0], err, out, text)
				}
			}
		}
	}
}

// TestTheDocumentedCallIsValid reads the call of the module from docs/lambda.md.
func TestTheDocumentedCallIsValid(t *testing.T) {
	raw, err := os.ReadFile("../../docs/lambda.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "```hcl\n")
	text, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("docs/lambda.md has no call")
	}
	text = strings.NewReplacer("./modules/purser", "./purser", "aws_sns_topic.alarms.arn", `"arn:aws:sns:eu-west-2:123456789012:alarms"`).Replace(text) +
		"resource \"aws_secretsmanager_secret\" \"management\" {\n  name = \"management\"\n}\n"
	run, dir := terraformWith(t), t.TempDir()
	for name, text := range map[string]string{"main.tf": text, "purser.yaml": "credentials: {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "purser"), module.Files); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"fmt", "-diff"}, {"get"}, {"validate", "-no-color"}} {
		if out, err := run(dir, args...); err != nil {
			t.Errorf("terraform %s: %v\n%s", args[0], err, out)
		}
	}
}

func TestTheWholeModuleIsEmbedded(t *testing.T) {
	here, err := filepath.Glob("*.tf")
	if err != nil || len(here) == 0 {
		t.Fatal(here, err)
	}
	for _, name := range here {
		if _, err := fs.Stat(module.Files, name); err != nil {
			t.Errorf("%s is not embedded: %v", name, err)
		}
	}
}
