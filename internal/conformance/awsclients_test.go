package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"purser/internal/realservers"
	"purser/internal/sandbox"
)

const seenOften = "what the client does with AWS's answer"

// An awsPlace is where a client of AWS is sent.
type awsPlace struct {
	url    string   // in plain http, for what leads up to a question
	env    []string // for the client
	python string   // an interpreter with boto3; "": there is none
}

func awsClientsArea() area[awsPlace] {
	return area[awsPlace]{
		name: "Clients of AWS",
		about: "The AWS CLI and boto3 each have their own environment variables. They reach the sandbox over TLS by\n" +
			"AWS_ENDPOINT_URL and AWS_CA_BUNDLE, and moto in plain http.",
		full:      true,
		parts:     []part[awsPlace]{{sandboxPart, sandboxForClients}, {"moto", motoForClients}},
		questions: append(askBy("aws CLI", awsCLI), askBy("boto3", boto3)...),
	}
}

func sandboxForClients(t *testing.T) awsPlace {
	t.Helper()
	s := startSandbox(t)
	dir := t.TempDir()
	env, err := s.Environment(dir)
	if err != nil {
		t.Fatal(err)
	}
	ca := "AWS_CA_BUNDLE=" + dir + "/sandbox-ca.pem"
	return awsPlace{
		s.SecretsManagerURL, cleanEnv(t, append(env, ca, "AWS_REGION="+awsRegion, "AWS_DEFAULT_REGION="+awsRegion)...), pythonOr(t, "boto3"),
	}
}

// startSandbox starts a sandbox that ends with the test.
func startSandbox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.Start(context.WithoutCancel(t.Context()), sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the sandbox: %v", err)
		}
	})
	return s
}

func motoForClients(t *testing.T) awsPlace {
	t.Helper()
	url := realservers.Moto(t)
	return awsPlace{url, cleanEnv(t,
		"AWS_ENDPOINT_URL="+url, "AWS_ACCESS_KEY_ID=FAKE", "AWS_SECRET_ACCESS_KEY=FAKE", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_REGION="+awsRegion, "AWS_DEFAULT_REGION="+awsRegion), pythonOr(t, "boto3")}
}

// cleanEnv shows a program nothing of this machine but where programs are.
func cleanEnv(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8"}, more...)
}

// An awsClient does an operation and returns its answer, or the words that its user sees.
type awsClient func(t *testing.T, at awsPlace, service, operation, input string) (answer string, failed error)

// awsTask is what both clients are asked to do. Of a failure, documented is the message.
type awsTask struct {
	id, title  string
	documented string
	prepare    func(c *awsCaller) // may be nil
	service    string
	operation  string
	input      func(name string) members
	says       func(c *awsCaller, r awsReply) string
}

func askBy(client string, does awsClient) []question[awsPlace] {
	var all []question[awsPlace]
	for _, task := range awsTasks() {
		id := strings.ReplaceAll(client, " ", "-") + "-" + task.id
		all = append(all, question[awsPlace]{
			row{id: id, title: client + ": " + task.title, documented: worded(client, task.documented), source: seenOften},
			func(t *testing.T, at awsPlace) string {
				t.Helper()
				return task.ask(&awsCaller{t: t, url: at.url, name: "conformance/" + strings.ReplaceAll(id, "-", "_")}, at, does)
			},
		})
	}
	return all
}

// worded is a failure as a client words it: boto3 puts the class of the exception in front.
func worded(client, documented string) string {
	code, _, failed := strings.Cut(strings.TrimPrefix(documented, "An error occurred ("), ")")
	if client == "boto3" && failed {
		return code + ": " + documented
	}
	return documented
}

func (task awsTask) ask(c *awsCaller, at awsPlace, does awsClient) string {
	c.t.Helper()
	if task.prepare != nil {
		task.prepare(c)
	}
	input, err := json.Marshal(task.input(c.name))
	if err != nil {
		c.t.Fatal(err)
	}
	said, err := does(c.t, at, task.service, task.operation, string(input))
	if err != nil {
		return c.plain(err.Error())
	}
	r := awsReply{status: http.StatusOK}
	if err := json.Unmarshal([]byte(said), &r.body); err != nil && said != "" {
		c.t.Fatalf("%s %s prints no JSON: %q", task.service, task.operation, said)
	}
	return c.plain(task.says(c, r))
}

// run runs a program, whose failure is its last line.
func run(t *testing.T, env []string, program string, args ...string) (string, error) {
	t.Helper()
	var out, errs strings.Builder
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, &out, &errs
	if err := cmd.Run(); err != nil {
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		return "", errors.New(strings.TrimSpace(lines[len(lines)-1]))
	}
	return strings.TrimSpace(out.String()), nil
}

// awsCLI does an operation with the command of its name.
func awsCLI(t *testing.T, at awsPlace, service, operation, input string) (string, error) {
	t.Helper()
	return run(t, at.env, realservers.Need(t, "aws"), service, spelled(operation, "-"), "--output", "json", "--cli-input-json", input)
}

// callBoto3 prints an answer, or the class of an exception and its words.
const callBoto3 = `
import boto3, json, sys
service, operation, given = sys.argv[1:]
try:
    answer = getattr(boto3.client(service), operation)(**json.loads(given))
    answer.pop("ResponseMetadata")
    print(json.dumps(answer, default=lambda value: value.timestamp()))
except Exception as e:
    sys.exit(type(e).__name__ + ": " + str(e))
`

func boto3(t *testing.T, at awsPlace, service, operation, input string) (string, error) {
	t.Helper()
	if at.python == "" {
		t.Skip("there is no python3 with boto3 on this machine: skipped")
	}
	return run(t, at.env, at.python, "-c", callBoto3, service, spelled(operation, "_"), input)
}

// spelled writes an operation's name in small letters, a mark before each word but the first.
func spelled(operation, mark string) string {
	var b strings.Builder
	for i, r := range operation {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteString(mark)
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}
