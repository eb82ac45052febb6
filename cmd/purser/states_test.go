package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/practice"
	"purser/internal/present"
	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/wire"
)

const (
	stateSecret = "mockserver-build/dockerhub"
	stateRegion = "eu-west-2"
)

// scene is a sandbox whose secret was stored and renewed once, so that it has a previous
// version. It needs no person.
type scene struct {
	*testing.T
	box     *sandbox.Sandbox
	secrets *secretsmanager.Client
	dir     string
	yaml    string
	sweeper string // the program that cleans up after exec; these runs do it themselves
}

func newScene(t *testing.T) *scene {
	t.Helper()
	box, err := sandbox.Start(t.Context(), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = box.Close() })
	sweeper, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{T: t, sweeper: sweeper, box: box, secrets: secretsManager(box.SecretsManagerURL, stateRegion), dir: t.TempDir(), yaml: practice.TourConfig}
	box.Accounts.AddAccount("mockserver", box.Password, false)
	management := `{"username":"mockserver","password":"` + box.Password.Reveal() + `"}`
	s.must(s.secrets.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: new("management"), SecretString: &management}))
	s.create()
	for _, args := range [][]string{{"store", "dockerhub", "--mint"}, {"rotate", "dockerhub", "--force"}} {
		if code, text := s.purser(args...); code != present.ExitOK {
			t.Fatalf("purser %v: %d\n%s", args, code, text)
		}
	}
	return s
}

// create makes the secret, empty and marked, as Terraform does.
func (s *scene) create() {
	s.Helper()
	s.must(s.secrets.CreateSecret(s.Context(), &secretsmanager.CreateSecretInput{Name: new(stateSecret), Tags: markedFor("docker.io dockerhub")}))
}

func markedFor(whom string) []types.Tag {
	return []types.Tag{{Key: new("purser:registry"), Value: &whom}}
}

func (s *scene) must(_ any, err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// put makes another version current, as by hand.
func (s *scene) put(value string) {
	s.Helper()
	s.must(s.secrets.PutSecretValue(s.Context(), &secretsmanager.PutSecretValueInput{SecretId: new(stateSecret), SecretString: &value}))
}

// pending puts a version into AWSPENDING.
func (s *scene) pending(id, value string) {
	s.Helper()
	s.must(s.secrets.PutSecretValue(s.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: new(stateSecret), SecretString: &value, VersionStages: []string{"AWSPENDING"}, ClientRequestToken: &id,
	}))
}

func (s *scene) remove(forGood bool) {
	s.Helper()
	s.must(s.secrets.DeleteSecret(s.Context(), &secretsmanager.DeleteSecretInput{SecretId: new(stateSecret), ForceDeleteWithoutRecovery: &forGood}))
}

// refuse makes AWS fail operations from now on.
func (s *scene) refuse(operations, code, message string) {
	for operation := range strings.SplitSeq(operations, " ") { // "" means every one
		s.box.SecretsManager.Fault(operation, sandboxaws.Fault{Code: code, Message: message, Status: http.StatusBadRequest, Times: -1})
	}
}

func (s *scene) purser(args ...string) (int, string) {
	s.Helper()
	var in io.Reader = strings.NewReader("")
	if args[len(args)-1] == "--token-stdin" {
		in = strings.NewReader(s.box.PushToken.Reveal())
	}
	var out bytes.Buffer
	return run(s.Context(), args, s.app(in, &out, &out)), out.String()
}

// app returns purser among the stand-ins, with nobody to ask.
func (s *scene) app(in io.Reader, out, errs io.Writer) *app {
	s.Helper()
	writeFile(s.T, filepath.Join(s.dir, config.FileName), s.yaml)
	return &app{
		env: config.Environment{Home: s.dir, Path: os.Getenv("PATH"), ManagementSecret: "management"}, in: in, out: out, err: errs, now: time.Now, random: rand.Reader,
		transport: s.box.Transport(), aws: &wire.LocalAWS{Endpoint: s.box.SecretsManagerURL}, dir: s.dir, tty: present.Terminal{Path: filepath.Join(s.dir, "none")},
		program: s.sweeper, wait: func(context.Context, time.Duration) error { return nil },
	}
}

// stateCommands are all commands that use a store, with arguments that make those write
// that can.
var stateCommands = []struct {
	name string
	args []string
}{
	{"store", []string{"store", "dockerhub", "--token-stdin"}},
	{"check", []string{"check"}},
	{"status", []string{"status"}},
	{"rotate", []string{"rotate", "dockerhub", "--force"}},
	{"rotate --due", []string{"rotate", "--due"}},
	{"rollback", []string{"rollback", "dockerhub", "--yes"}},
	{"revoke", []string{"revoke", "dockerhub", "--yes"}},
	{"respond", []string{"respond", "dockerhub", "--yes"}},
	{"exec", []string{"exec", "dockerhub", "--", "true"}},
	{"doctor", []string{"doctor"}},
}

// states are those of a store, with the exit code of a command that meets them.
var states = []struct {
	name string
	code int
	set  func(*scene)
}{
	{"as it should be", present.ExitOK, func(*scene) {}},
	{"there is no such secret", present.ExitMissing, func(s *scene) { s.remove(true) }},
	{"the secret is empty", present.ExitBad, func(s *scene) { s.remove(true); s.create() }},
	{"the secret is marked for deletion", present.ExitMissing, func(s *scene) { s.remove(false) }},
	{"the value is binary", present.ExitBad, func(s *scene) {
		s.must(s.secrets.PutSecretValue(s.Context(), &secretsmanager.PutSecretValueInput{SecretId: new(stateSecret), SecretBinary: []byte("FAKE")}))
	}},
	{"the value has other keys", present.ExitBad, func(s *scene) { s.put(`{"user":"mockserver","pass":"FAKE-pass"}`) }},
	{"the value is no JSON", present.ExitBad, func(s *scene) { s.put(`FAKE-pass`) }},
	{"somebody else's rotation is under way", present.ExitFailed, func(s *scene) { s.pending(newToken(), "{}") }},
	{"an interrupted run left a version", present.ExitOK, func(s *scene) {
		id, err := credential.NewVersionID(time.Now(), rand.Reader, "")
		s.must(id, err)
		s.pending(string(id), `{"username":"mockserver","token":"dckr_pat_FAKEfakeFAKEfakeFAKEfake1"}`)
	}},
	{"the registry refuses the token", present.ExitBad, func(s *scene) {
		current := getSecretValue(s.T, s.box.SecretsManagerURL, stateRegion, stateSecret)
		for _, t := range s.box.Accounts.Tokens("mockserver") {
			if strings.Contains(current, t.Secret.Reveal()) {
				s.box.Accounts.Revoke(t.Secret)
			}
		}
	}},
	{"AWS denies describing", present.ExitAWS, func(s *scene) {
		s.refuse("DescribeSecret", "AccessDeniedException", "not authorized to perform: secretsmanager:DescribeSecret")
	}},
	{"AWS denies reading", present.ExitAWS, func(s *scene) {
		s.refuse("GetSecretValue", "AccessDeniedException", "not authorized to perform: secretsmanager:GetSecretValue")
	}},
	{"AWS denies writing", present.ExitAWS, func(s *scene) {
		s.refuse("PutSecretValue UpdateSecretVersionStage TagResource", "AccessDeniedException", "not authorized to perform: secretsmanager:PutSecretValue")
	}},
	{"the KMS key denies its use", present.ExitAWS, func(s *scene) {
		s.refuse("GetSecretValue PutSecretValue", "AccessDeniedException", "Access to KMS is not allowed")
	}},
	{"the KMS key is disabled", present.ExitAWS, func(s *scene) {
		s.refuse("GetSecretValue PutSecretValue", "DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.")
	}},
	{"AWS throttles", present.ExitUnknown, func(s *scene) { s.refuse("", "ThrottlingException", "Rate exceeded") }},
	{"the AWS session has expired", present.ExitAWS, func(s *scene) {
		s.refuse("", "ExpiredTokenException", "The security token included in the request is expired")
	}},
	{"the secret is in another region", present.ExitMissing, func(s *scene) { s.yaml = strings.Replace(s.yaml, stateRegion, "eu-west-1", 1) }},
	{"the token is another registry's", present.ExitUsage, func(s *scene) {
		s.put(`{"username":"mockserver","token":"ghp_FAKEfakeFAKEfakeFAKEfake1"}`)
		s.must(s.secrets.TagResource(s.Context(), &secretsmanager.TagResourceInput{
			SecretId: new(stateSecret), Tags: markedFor("ghcr.io dockerhub"),
		}))
	}},
}

// TestOneStateOneCode runs every command in every state of a store. It ends with the
// state's code, or with 0 if it did its work anyway; docs/exit-codes.md has the table.
func TestOneStateOneCode(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // no retries
	t.Setenv("PATH", buildHelper(t)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	var table strings.Builder
	row := func(cells ...string) { fmt.Fprintf(&table, "| %s |\n", strings.Join(cells, " | ")) }
	heads := []string{"state"}
	for _, command := range stateCommands {
		heads = append(heads, "`"+command.name+"`")
	}
	row(heads...)
	table.WriteString(strings.Repeat("|---", len(heads)) + "|\n")
	for _, state := range states {
		cells := []string{state.name}
		for _, command := range stateCommands {
			s := newScene(t)
			state.set(s)
			code, text := s.purser(append([]string{"--output", "json"}, command.args...)...)
			if command.name != "exec" || code != present.ExitOK {
				if why := notAReport(text, code); why != "" {
					t.Errorf("%s, %s: %s\n%s", state.name, command.name, why, text)
				}
			}
			if code != state.code && code != present.ExitOK {
				t.Errorf("%s, %s: exit code %d, want %d or 0\n%s", state.name, command.name, code, state.code, text)
			}
			cells = append(cells, strconv.Itoa(code))
		}
		row(cells...)
	}
	const file = "../../docs/exit-codes.md"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- states -->\n", "<!-- end of states -->\n"
	before, rest, _ := strings.Cut(string(raw), begin)
	_, after, ok := strings.Cut(rest, end)
	want := before + begin + table.String() + end + after
	switch {
	case !ok:
		t.Fatalf("%s has no table of states", file)
	case *update:
		writeFile(t, file, want)
	case want != string(raw):
		t.Errorf("%s is not what happens (go test -run OneState -update writes it):\n%s", file, table.String())
	}
}
