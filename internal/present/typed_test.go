package present

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	"purser/internal/lifecycle"
)

var (
	ownCommand = regexp.MustCompile(`purser (login aws|login dockerhub|tokens list|tokens revoke|receipt verify|[a-z]+)\b[^\n;,]*`)
	awsCommand = regexp.MustCompile(`aws (secretsmanager|kms) [^\n;,]*`)
)

// everyFault returns each reason for every store and every way to sign in.
func everyFault(t *testing.T, given credential.Given) (all []*credential.Fault) {
	t.Helper()
	for _, r := range declared(t) {
		f := credential.Fault{
			Reason: r, What: "what happened", Credential: "dockerhub", Registry: "docker.io", Account: "mockserver", Given: given,
			Target: credential.Target{Kind: "secret", Name: "mockserver-build/dockerhub", Profile: "mockserver-build", Region: "eu-west-2"},
		}
		inFile, denied, made := f, f, f
		inFile.Target = credential.Target{Kind: "file", Name: "x.age.json"}
		denied.Denial = &credential.Denial{Action: "secretsmanager:PutSecretValue", Resource: "arn", Grant: "{}"}
		made.Declared = &credential.Declared{At: "a.tf:1", Dir: "."}
		all = append(all, &f, &inFile, &denied, &made)
		for _, way := range []string{"static", "environment", "credential_process", "web-identity", "container", "login_session", "role", "machine", credential.NotAssigned} {
			signed := f
			signed.SignIn = way
			all = append(all, &signed)
		}
	}
	return all
}

// TestEveryProposedCommandKeepsThePlace gives each command every flag that chooses a place, and
// checks each command that any failure proposes.
func TestEveryProposedCommandKeepsThePlace(t *testing.T) {
	seen := map[string]bool{}
	for command := range leads {
		given := credential.Given{Command: command, Flags: []credential.GivenFlag{{Name: "config", Value: "other folder/purser.yaml"}}}
		for _, name := range leads[command] {
			given.Flags = append(given.Flags, credential.GivenFlag{Name: name, Value: "the " + name})
		}
		for _, f := range everyFault(t, given) {
			report := ErrorReport(f)
			for _, next := range report.Next {
				for _, line := range ownCommand.FindAllStringSubmatch(next, -1) {
					if strings.Contains(line[0], "--help") || line[1] == "help" || line[1] == "mcp" {
						continue
					}
					seen[line[1]] = true
					want := []string{"config"}
					for _, name := range leads[line[1]] {
						if given.Has(name) && (command == line[1] || name == "registry" || name == "profile" && f.Target.Profile == "") {
							want = append(want, name)
						}
					}
					for _, name := range want {
						value := "the " + name
						if name == "config" {
							value = "other folder/purser.yaml"
						}
						if name == "profile" && strings.Contains(line[0], "--profile mockserver-build") {
							continue // of the place that it is about
						}
						if text := fmt.Sprintf("--%s '%s'", name, value); !strings.Contains(line[0], text) {
							t.Errorf("after purser %s, %s proposes %q, without %s", command, f.Reason, line[0], text)
						}
					}
				}
				for _, line := range awsCommand.FindAllString(next, -1) {
					if f.Target.Profile != "" && (!strings.Contains(line, "--region eu-west-2") || !strings.Contains(line, "--profile mockserver-build")) {
						t.Errorf("%s proposes %q, which goes elsewhere", f.Reason, line)
					}
				}
			}
		}
	}
	for _, must := range []string{"store", "check", "rotate", "login aws", "login dockerhub", "tokens list", "status", "doctor", "init"} {
		if !seen[must] {
			t.Errorf("no failure proposes purser %s: the test looks at nothing", must)
		}
	}
}

func TestValuesAreQuotedForTheShell(t *testing.T) {
	given := credential.Given{Command: "store", Flags: []credential.GivenFlag{
		{Name: "region", Value: "us-east-1"}, {Name: "profile", Value: "my profile"}, {Name: "repository", Value: "a/b"}, {Name: "repository", Value: "c/d"}, {Name: "secret-id", Value: "x'; rm -rf ~ #"},
		{Name: "yes", Value: "true"}, {Name: "expires", Value: "90d"},
	}}
	want := `purser store dockerhub --region us-east-1 --profile 'my profile' --repository a/b --repository c/d --secret-id 'x'\''; rm -rf ~ #'`
	if got := Typed(given, "store", "dockerhub"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := Typed(given, "check", "dockerhub"); got != "purser check dockerhub" {
		t.Errorf("check has none of these flags: %s", got)
	}
	aws := credential.Given{Command: "login aws", Flags: []credential.GivenFlag{{Name: "account", Value: "123456789012"}}}
	if got := Typed(aws, "tokens list"); got != "purser tokens list" {
		t.Errorf("an account of AWS is none of a registry: %s", got)
	}
}

func TestTheCommandsOfStatusRepeatFlagsAsWell(t *testing.T) {
	given := credential.Given{Command: "status", Flags: []credential.GivenFlag{{Name: "config", Value: "other.yaml"}}}
	row := lifecycle.StatusRow{Name: "dockerhub", Run: "rotate", Notes: []string{"a run was interrupted"}}
	const want = "run purser rotate dockerhub --config other.yaml"
	if notes := StatusReport([]lifecycle.StatusRow{row}, given)[0].Places[0].Notes; !slices.Contains(notes, want) {
		t.Errorf("as JSON: %q", notes)
	}
	var b, errs strings.Builder
	Out{To: &b, Given: given}.Status([]lifecycle.StatusRow{row}, Out{To: &errs}, time.Now())
	if !strings.Contains(b.String(), want) {
		t.Errorf("as text: %s", b.String())
	}
}
