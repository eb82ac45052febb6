//go:build unix

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"purser/internal/practice"
	"purser/internal/sandbox"
	"purser/internal/signin"
)

// noFile puts at a path what purser must not read as a file.
func noFile(kind, path string) error {
	switch kind {
	case "a FIFO":
		return syscall.Mkfifo(path, 0o600)
	case "a device":
		return os.Symlink("/dev/zero", path)
	case "a folder":
		return os.Mkdir(path, 0o700)
	case "a ring of links":
		return os.Symlink(filepath.Base(path), path)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 10<<30) // sparse
}

// namedFile is a file that a command reads because somebody names it.
type namedFile struct {
	path   string   // in the working directory
	files  []string // other files: name and text in turn
	env    string
	args   []string
	silent bool // one of several places: purser may skip it
	stream bool // a FIFO is fine
}

func namedFiles() map[string]namedFile {
	const receipts, makes = "receipts: {key: key, file: receipts.jsonl}\n", `resource "aws_secretsmanager_secret" "dockerhub" { name = "mockserver-build/dockerhub" }`
	const inFile = "credentials:\n  dockerhub:\n    registry: docker.io\n    repositories: [mockserver/mockserver]\n    store: {file: kept.age.json}\n"
	sso := "[profile mockserver-build]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_start_url = https://example.com/start\nsso_region = eu-west-2\n"
	cache := filepath.Base(signin.Cache{}.Path(signin.Profile{Session: "s"}))
	doctor := []string{"doctor"}
	return map[string]namedFile{
		"purser.yaml":              {path: "purser.yaml", args: doctor, silent: true},
		"--config":                 {path: "other.yaml", args: []string{"status", "--config", "other.yaml"}},
		"a job's configuration":    {path: "etc/purser.yaml", env: "CI=true", args: []string{"exec", "--", "true"}, silent: true},
		"Terraform":                {path: "main.tf", args: doctor, silent: true},
		"Terraform beside another": {path: "other.tf", files: []string{"main.tf", makes}, args: doctor},
		"Terraform's state":        {path: "terraform.tfstate", files: []string{"main.tf", makes}, args: doctor, silent: true},
		"Terraform of init":        {path: "main.tf", args: []string{"init", "--from-terraform", ".", "--dry-run"}},
		"a script of init":         {path: "ci.sh", args: []string{"init", "--from-script", "ci.sh", "--dry-run"}},
		"ca":                       {path: "ca.pem", files: []string{"purser.yaml", practice.TourConfig + "    ca: ca.pem\n"}, args: doctor},
		"--ca":                     {path: "ca.pem", args: []string{"store", "dockerhub", "--token-stdin", "--ca", "ca.pem", "--create"}},
		"docker's configuration":   {path: "docker/config.json", args: doctor, silent: true},
		"docker's, to change":      {path: "docker/config.json", args: []string{"configure-docker", "dockerhub"}},
		"AWS's configuration":      {path: "aws", env: "AWS_CONFIG_FILE=aws", args: doctor},
		"AWS's credentials":        {path: "aws", env: "AWS_SHARED_CREDENTIALS_FILE=aws", args: []string{"check"}},
		"AWS's, to add to":         {path: "aws", env: "AWS_CONFIG_FILE=aws", args: []string{"login", "aws", "--profile", "p", "--start-url", "https://example.com/start", "--sso-region", "eu-west-2", "--account", "123456789012", "--role", "r"}},
		"a sign-in's cache": {
			path: ".aws/sso/cache/" + cache, files: []string{"aws", sso}, env: "AWS_CONFIG_FILE=aws AWS_ACCESS_KEY_ID= AWS_SECRET_ACCESS_KEY=",
			args: doctor, silent: true,
		},
		"an encrypted file":  {path: "kept.age.json", files: []string{"purser.yaml", inFile}, args: []string{"check"}},
		"an age identity":    {path: "identity", files: []string{"purser.yaml", inFile, "kept.age.json", `{"format":"purser/v1","versions":[{"id":"v","stages":["AWSCURRENT"],"value":"x"}]}`}, env: "PURSER_AGE_IDENTITY=identity", args: []string{"check"}},
		"a key for receipts": {path: "key", files: []string{"purser.yaml", receipts + practice.TourConfig}, args: []string{"store", "dockerhub", "--token-stdin"}},
		"--signers":          {path: "signers", files: []string{"r", ""}, args: []string{"receipt", "verify", "r", "--signers", "signers"}},
		"--public-key":       {path: "public", files: []string{"r", ""}, args: []string{"receipt", "verify", "r", "--public-key", "public"}},
		"receipts":           {path: "r", files: []string{"signers", ""}, args: []string{"receipt", "verify", "r", "--signers", "signers"}, stream: true, silent: true},
		"faults of a sandbox": {
			path: "faults", args: []string{"sandbox", "fault", "--from", "faults"},
		},
		"a module of Terraform": {path: "module/main.tf", args: []string{"terraform", "dockerhub", "--module", "--source", "./module"}, silent: true},
	}
}

// TestEveryFileThatPurserReadsIsBounded puts something else at the path of each file that a command
// reads. The command must end, and say what is there.
func TestEveryFileThatPurserReadsIsBounded(t *testing.T) {
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() }) // after all of them
	for name, in := range namedFiles() {
		for _, kind := range []string{"a FIFO", "a device", "a folder", "10 GB", "a ring of links"} {
			t.Run(name+" is "+kind, func(t *testing.T) {
				t.Parallel()
				in.refused(t, box, kind)
			})
		}
	}
}

func (in namedFile) refused(t *testing.T, box *sandbox.Sandbox, kind string) {
	t.Helper()
	dir := t.TempDir()
	vars, err := box.Environment(dir)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "purser.yaml"), practice.TourConfig)
	for i := 0; i < len(in.files); i += 2 {
		writeFile(t, filepath.Join(dir, in.files[i]), in.files[i+1])
	}
	path := filepath.Join(dir, in.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(path)
	if err := noFile(kind, path); err != nil {
		t.Fatal(err)
	}
	const patience = 20 * time.Second // on a busy machine; a FIFO takes for ever
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	args := in.args
	if in.stream && kind == "a FIFO" {
		args = append([]string{"--timeout", "1s"}, args...)
	}
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Args, cmd.Dir = append([]string{"watched-purser"}, args...), dir
	cmd.Stdin = strings.NewReader(box.PushToken.Reveal())
	cmd.Env = append(append(vars, "HOME="+dir, "WORK="+dir, "DOCKER_CONFIG="+filepath.Join(dir, "docker"), "PATH="+os.Getenv("PATH")), strings.Fields(in.env)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	_ = cmd.Run() // the code differs
	if ctx.Err() != nil {
		t.Fatalf("purser %s did not end\n%s", strings.Join(args, " "), out.String())
	}
	want := map[string]string{"a FIFO": "a FIFO, not a file", "a device": "a device, not a file", "a folder": "a folder, not a file", "10 GB": "larger than", "a ring of links": "too many"}[kind]
	// A folder may have any name: neither Terraform nor purser takes one for a file.
	folder := kind == "a folder" && strings.HasSuffix(in.path, ".tf")
	if !in.silent && !folder && !strings.Contains(out.String(), want) {
		t.Errorf("purser %s does not say %q:\n%s", strings.Join(args, " "), want, out.String())
	}
}
