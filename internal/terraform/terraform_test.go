package terraform_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
	"purser/internal/terraform"
)

var update = flag.Bool("update", false, "update golden files")

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadUnderstandsTheExample(t *testing.T) {
	c, err := terraform.Read("testdata/buildkite")
	if err != nil {
		t.Fatal(err)
	}
	want := &terraform.Configuration{
		Dir: "testdata/buildkite", Profile: "mockserver-build", Region: "eu-west-2",
		Secrets: []terraform.Secret{
			{Address: "aws_secretsmanager_secret.dockerhub", Name: "mockserver-build/dockerhub", Description: "Docker Hub, for snapshot images", Region: "eu-west-2", At: "secrets.tf:2", Readers: []string{"policy/buildkite-read-dockerhub-secret", "policy/buildkite-read-everything"}},
			{Address: "data.aws_secretsmanager_secret.release", Name: "mockserver-release/dockerhub", Region: "eu-west-2", At: "secrets.tf:7", Data: true, Readers: []string{"policy/buildkite-read-dockerhub-release-secret", "policy/buildkite-read-everything", "role/buildkite-release"}},
			{Address: "aws_secretsmanager_secret.ghcr", Name: "mockserver-release/ghcr-token", KMSKey: "alias/release", Region: "us-east-1", At: "secrets.tf:11", Readers: []string{"policy/buildkite-read-everything"}},
		},
		Risks: []terraform.Risk{
			{Address: "aws_secretsmanager_secret_version.ghcr", Secret: "mockserver-release/ghcr-token", At: "values.tf:1", Change: "lifecycle {\n  ignore_changes = [secret_string]\n}"},
		},
	}
	notes := c.Notes
	c.Notes = nil
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(notes) != 2 || !slices.ContainsFunc(notes, func(n string) bool {
		return strings.HasPrefix(n, "secrets.tf:18: aws_secretsmanager_secret.unknown: name depends")
	}) {
		t.Errorf("notes: %q", notes)
	}
}

func TestRisksAreResourcesThatWriteAValueAgain(t *testing.T) {
	const secret = "resource \"aws_secretsmanager_secret\" \"a\" {\n  name = \"team/a\"\n}\n"
	version := func(inside string) string {
		return secret + "resource \"aws_secretsmanager_secret_version\" \"a\" {\n  secret_id = aws_secretsmanager_secret.a.id\n" + inside + "\n}\n"
	}
	for name, c := range map[string]struct {
		text string
		want string // the start of the change; "" for no risk
	}{
		"a string":             {version(`secret_string = "x"`), "lifecycle {\n  ignore_changes = [secret_string]"},
		"a variable":           {version(`secret_string = var.x`), "lifecycle {\n  ignore_changes = [secret_string]"},
		"binary":               {version(`secret_binary = "eA=="`), "lifecycle {\n  ignore_changes = [secret_binary]"},
		"write-only":           {version(`secret_string_wo = "x"`), "lifecycle {\n  ignore_changes = [secret_string_wo_version]"},
		"ignored":              {version("secret_string = \"x\"\nlifecycle {\n ignore_changes = [secret_string]\n}"), ""},
		"all ignored":          {version("secret_string = \"x\"\nlifecycle {\n ignore_changes = all\n}"), ""},
		"something else":       {version("secret_string = \"x\"\nlifecycle {\n ignore_changes = [version_stages]\n}"), "lifecycle"},
		"no value":             {version(""), ""},
		"no version":           {secret, ""},
		"a literal ARN":        {"resource \"aws_secretsmanager_secret_version\" \"a\" {\n  secret_id = \"arn:aws:secretsmanager:eu-west-2:1:secret:team/a-AbCdEf\"\n secret_string = \"x\"\n}\n", "lifecycle"},
		"another secret":       {strings.ReplaceAll(version(`secret_string = "x"`), "team/a", "team/b"), ""},
		"while half-written":   {version(`secret_string = `), ""},
		"in a commented block": {"# " + strings.ReplaceAll(version(`secret_string = "x"`), "\n", "\n# "), ""},
	} {
		risks := terraform.FindRisks(folder(t, map[string]string{"deep/er/main.tf": c.text, ".terraform/x/main.tf": version(`secret_string = "x"`)}), "team/a")
		if got := len(risks) > 0; got != (c.want != "") || got && (!strings.HasPrefix(risks[0].Change, c.want) || !strings.Contains(risks[0].At, "main.tf:")) {
			t.Errorf("%s: %+v, want %q", name, risks, c.want)
		}
	}
}

func TestSyntaxErrorsNameTheLineAndQuoteNothing(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a brace":   {"resource \"a\" \"b\" {\n  x = \"FAKEFAKE\n}\n", "main.tf:2:"},
		"a keyword": {"FAKEFAKE FAKEFAKE\n", "main.tf:1:"},
		"no text":   {"\x00\xff\xfe", "main.tf:1:"},
	} {
		_, err := terraform.Read(folder(t, map[string]string{"main.tf": c.text}))
		if credential.ReasonOf(err) != credential.Usage || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "FAKEFAKE") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, dir := range map[string]string{"none": filepath.Join(t.TempDir(), "none"), "too large": folder(t, map[string]string{"a.tf": strings.Repeat("#", 3<<20)})} {
		if _, err := terraform.Read(dir); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzTerraformReader(f *testing.F) {
	for _, name := range []string{"main.tf", "secrets.tf", "values.tf", "policies.tf"} {
		raw, _ := os.ReadFile(filepath.Join("testdata/buildkite", name))
		f.Add(string(raw))
	}
	f.Fuzz(func(t *testing.T, text string) {
		_, _ = terraform.Read(folder(t, map[string]string{"main.tf": text}))
	})
}

func TestWrittenConfigurationMatchesTheGoldens(t *testing.T) {
	credentials := []credential.Credential{
		{
			Name: "dockerhub", Registry: "docker.io", Readers: []string{"policy/buildkite-read-dockerhub-secret", "arn:aws:iam::123456789012:role/path/queue"},
			Targets: []credential.Target{{Kind: "secret", Name: "mockserver-build/dockerhub", Region: "eu-west-2"}, {Kind: "secret", Name: "mockserver-build/dockerhub", Region: "us-east-1"}},
		},
		{Name: "ecr-cache", Registry: "docker.io", Targets: []credential.Target{{Kind: "secret", Name: "ecr-pullthroughcache/dockerhub", Shape: credential.ShapeECRCache}}},
	}
	o := terraform.Options{Source: "./modules/purser", KMSKey: "arn:aws:kms:eu-west-2:123456789012:key/1"}
	for name, got := range map[string]string{"module": terraform.Module(credentials, o), "inline": terraform.Inline(credentials, o)} {
		path := filepath.Join("testdata", name+".golden.tf")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", path, diff)
		}
	}
}

func TestReadUnderstandsWrittenConfiguration(t *testing.T) {
	c := credential.Credential{Name: "a", Registry: "docker.io", Readers: []string{"policy/read-it"}, Targets: []credential.Target{{Kind: "secret", Name: "team/a${x}\"%{y}"}}}
	got, err := terraform.Read(folder(t, map[string]string{"main.tf": terraform.Inline([]credential.Credential{c}, terraform.Options{})}))
	if err != nil || len(got.Secrets) != 1 || got.Secrets[0].Name != c.Targets[0].Name || !slices.Equal(got.Secrets[0].Readers, c.Readers) {
		t.Errorf("%+v, %v", got, err)
	}
}
