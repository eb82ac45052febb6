package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"purser/internal/sandbox"
	sandboxaws "purser/internal/sandbox/aws"
	sandboxhub "purser/internal/sandbox/hub"
)

// purserCommand: purser ARGS... runs it and keeps its exit code.
func purserCommand(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec("watched-purser", args...)
	s := scriptOf(ts)
	s.code = 0
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // what Exec returns
		s.code = exit.ExitCode()
	}
	if s.code == exitLeak {
		ts.Fatalf("the output shows a token")
	}
	if s.code == exitForm {
		ts.Fatalf("the output is no report")
	}
	if neg != (err != nil) {
		ts.Fatalf("purser %s ended with code %d", strings.Join(args, " "), s.code)
	}
}

// codeCommand: code N checks the exit code of the last purser.
func codeCommand(ts *testscript.TestScript, _ bool, args []string) {
	if got := strconv.Itoa(scriptOf(ts).code); got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// call calls the stand-in for AWS as the AWS CLI would.
func call(ts *testscript.TestScript, operation string, in any) map[string]any {
	body, err := json.Marshal(in)
	ts.Check(err)
	req, err := http.NewRequest(http.MethodPost, scriptOf(ts).box.SecretsManagerURL, strings.NewReader(string(body)))
	ts.Check(err)
	signForStandIn(req, "secretsmanager."+operation)
	resp, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = resp.Body.Close() }()
	var out map[string]any
	ts.Check(json.NewDecoder(resp.Body).Decode(&out))
	if resp.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %v", operation, out)
	}
	return out
}

// secretCommand: secret VERB NAME ... prepares and inspects secrets.
func secretCommand(ts *testscript.TestScript, _ bool, args []string) {
	verb, id := args[0], args[1]
	s := scriptOf(ts)
	switch verb {
	case "create":
		in := map[string]any{"Name": id, "ClientRequestToken": newToken()}
		if len(args) > 2 { // the mark, as Terraform writes it
			in["Tags"] = []any{map[string]any{"Key": "purser:registry", "Value": args[2]}}
		}
		call(ts, "CreateSecret", in)
	case "mark":
		call(ts, "TagResource", map[string]any{"SecretId": id, "Tags": []any{map[string]any{"Key": "purser:registry", "Value": args[2]}}})
	case "create-with-key":
		call(ts, "CreateSecret", map[string]any{
			"Name": id, "ClientRequestToken": newToken(), "KmsKeyId": "arn:aws:kms:eu-west-2:123456789012:key/11111111-2222-3333-4444-555555555555",
		})
	case "put", "binary":
		in := map[string]any{"SecretId": id, "ClientRequestToken": newToken(), "SecretBinary": "RkFLRQ=="}
		if verb == "put" {
			delete(in, "SecretBinary")
			in["SecretString"] = args[2]
		}
		if !exists(ts, id) {
			call(ts, "CreateSecret", map[string]any{"Name": id, "ClientRequestToken": newToken()})
		}
		call(ts, "PutSecretValue", in)
	case "put-token": // secret put-token NAME ACCOUNT FILE: as by hand
		value, err := json.Marshal(map[string]string{"username": args[2], "token": strings.TrimSpace(ts.ReadFile(args[3]))})
		ts.Check(err)
		secretCommand(ts, false, []string{"put", id, string(value)})
	case "pending":
		call(ts, "PutSecretValue", map[string]any{
			"SecretId": id, "ClientRequestToken": newToken(), "SecretString": "{}", "VersionStages": []string{"AWSPENDING"},
		})
	case "replicate": // secret replicate ID REGION LOOKS [FAILURE]
		call(ts, "ReplicateSecretToRegions", map[string]any{"SecretId": id, "AddReplicaRegions": []any{map[string]any{"Region": args[2]}}})
		looks, err := strconv.Atoi(args[3])
		ts.Check(err)
		s.box.SecretsManager.LagReplicas(id, looks, strings.Join(args[4:], " "))
	case "give": // secret give NAME ACCOUNT: moves it to that account; $ARN names it
		ts.Setenv("ARN", s.box.SecretsManager.Give(id, args[2]))
	case "delete":
		call(ts, "DeleteSecret", map[string]any{"SecretId": id})
	case "equals", "token":
		want := args[3]
		if verb == "token" {
			want = strings.TrimSpace(ts.ReadFile(want))
		}
		if current(ts, id)[args[2]] != want {
			ts.Fatalf("%s of %s is not what it should be", args[2], id)
		}
	case "versions":
		got, _ := call(ts, "DescribeSecret", map[string]any{"SecretId": id})["VersionIdsToStages"].(map[string]any) // none if it is empty
		if strconv.Itoa(len(got)) != args[2] {
			ts.Fatalf("%s has %d versions, want %s", id, len(got), args[2])
		}
	case "nocall": // secret nocall OPERATION: nobody called it since the last look
		for _, c := range s.box.SecretsManager.Calls()[s.seen:] {
			if c == id {
				ts.Fatalf("%s was called", id)
			}
		}
	default:
		ts.Fatalf("there is no secret %s", verb)
	}
	s.seen = len(s.box.SecretsManager.Calls())
}

func exists(ts *testscript.TestScript, id string) bool {
	for _, s := range call(ts, "ListSecrets", map[string]any{})["SecretList"].([]any) {
		if s.(map[string]any)["Name"] == id {
			return true
		}
	}
	return false
}

func current(ts *testscript.TestScript, id string) map[string]string {
	out := call(ts, "GetSecretValue", map[string]any{"SecretId": id, "VersionStage": "AWSCURRENT"})
	var value map[string]string
	ts.Check(json.Unmarshal([]byte(out["SecretString"].(string)), &value))
	return value
}

// registryCommand: registry fault KIND STATUS|html|echo|redirect|hang|cut [HEADER]
func registryCommand(ts *testscript.TestScript, _ bool, args []string) {
	f := sandbox.Fault{Header: http.Header{}, Times: -1}
	switch args[2] {
	case "html":
		f.HTML = true
	case "echo":
		f.Echo = true
	case "hang":
		f.Hang = true
	case "flood":
		f.Flood = true
	case "cut":
	case "none":
		f.Times = 0
	case "redirect":
		f.Status = http.StatusTemporaryRedirect
		f.Header.Set("Location", args[3])
	default:
		status, err := strconv.Atoi(args[2])
		ts.Check(err)
		f.Status = status
		if len(args) > 3 {
			name, value, _ := strings.Cut(args[3], ": ")
			f.Header.Set(name, value)
		}
	}
	box := scriptOf(ts).box
	if f.Times == -1 {
		f.Times = 1
	}
	if args[1] == "exchange" || args[1] == "repositories" {
		box.Hub.Fault(args[1], f)
		return
	}
	box.HubRegistry.Fault(args[1], f)
}

// awsCommand: aws fault OPERATION CODE MESSAGE, or aws cut OPERATION, which loses the
// answer after the effect.
func awsCommand(ts *testscript.TestScript, _ bool, args []string) {
	manager := scriptOf(ts).box.SecretsManager
	if args[0] == "public-key" { // aws public-key FILE
		der, err := manager.PublicKey()
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
		return
	}
	if args[0] == "cut" {
		manager.Fault(args[1], sandboxaws.Fault{After: true})
		return
	}
	manager.Fault(args[1], sandboxaws.Fault{Code: args[2], Message: args[3], Status: http.StatusBadRequest})
}

// idcCommand: idc answer CODE..., idc deny, idc end
func idcCommand(ts *testscript.TestScript, _ bool, args []string) {
	idc := scriptOf(ts).box.IdentityCenter
	switch args[0] {
	case "answer":
		idc.Answer(args[1:]...)
	case "deny":
		idc.Deny(true)
	case "agree":
		idc.Agreed = true
		idc.Deny(false)
	case "end":
		idc.End(true)
	}
}

// dockerConfigCommand: docker-config DIR TOKENFILE USER writes what docker login leaves.
func dockerConfigCommand(ts *testscript.TestScript, _ bool, args []string) {
	auth := base64.StdEncoding.EncodeToString([]byte(args[2] + ":" + strings.TrimSpace(ts.ReadFile(args[1]))))
	text := `{"auths":{"https://index.docker.io/v1/":{"auth":"` + auth + `"}}}`
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), "config.json"), []byte(text), 0o600))
}

// useSandboxCommand: use-sandbox FILE selects the sandbox in the folder that a file names.
func useSandboxCommand(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("PURSER_SANDBOX", ts.ReadFile(args[0]))
}

// stopSandboxCommand: stop-sandbox FILE runs purser sandbox down for the folder that a file
// names, and checks that it is gone.
func stopSandboxCommand(ts *testscript.TestScript, neg bool, args []string) {
	folder := ts.ReadFile(args[0])
	ts.Setenv("PURSER_SANDBOX", folder)
	purserCommand(ts, neg, []string{"sandbox", "down"})
	if _, err := os.Stat(folder); !neg && err == nil {
		ts.Fatalf("%s is left", folder)
	}
}

// awaitCommand: await FILE waits until the file exists.
func awaitCommand(ts *testscript.TestScript, _ bool, args []string) {
	const patience, look = 10 * time.Second, 5 * time.Millisecond
	ctx, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("there is no %s", args[0])
		case <-ticker.C:
		}
	}
}

// globCommand: glob PATTERN FILE copies the last match, by name.
func globCommand(ts *testscript.TestScript, _ bool, args []string) {
	all, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(all) == 0 {
		ts.Fatalf("no file is %s", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(ts.ReadFile(all[len(all)-1])), 0o600))
}

// hubCommand: hub session FILE [LIFE] makes one of mockserver; hub end ends all; hub tokens
// OWNER N counts; hub active OWNER LABEL; hub fault KIND cut|lost|STATUS; hub org NAME
// makes an organization of mockserver's; hub sso NAME.
func hubCommand(ts *testscript.TestScript, neg bool, args []string) {
	box := scriptOf(ts).box
	switch args[0] {
	case "session":
		life := time.Hour
		if len(args) > 2 {
			var err error
			life, err = time.ParseDuration(args[2])
			ts.Check(err)
		}
		bearer, err := box.Hub.Session("mockserver", life)
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(bearer.Reveal()), 0o600))
	case "cap": // hub cap DURATION limits a token's life
		life, err := time.ParseDuration(args[1])
		ts.Check(err)
		box.Accounts.LongestLife = life
	case "end":
		box.Hub.EndSessions("mockserver")
	case "tokens":
		if got := strconv.Itoa(len(box.Accounts.Tokens(args[1]))); (got == args[2]) == neg {
			ts.Fatalf("%s has %s tokens", args[1], got)
		}
	case "last": // hub last FILE writes the id of the newest token
		all := box.Accounts.Tokens("mockserver")
		ts.Setenv("ID", all[len(all)-1].ID)
	case "active":
		all := box.Accounts.Tokens("mockserver")
		if all[len(all)-1].Active == neg {
			ts.Fatalf("the newest token is active: %t", !neg)
		}
	case "fault":
		f := sandbox.Fault{}
		switch args[2] {
		case "cut":
		case "lost":
			f.After = true
		default:
			var err error
			f.Status, err = strconv.Atoi(args[2])
			ts.Check(err)
			if len(args) > 3 {
				f.Body = args[3]
			}
		}
		box.Hub.Fault(args[1], f)
	case "org":
		box.Accounts.AddOrganization(args[1], sandboxhub.Organization{Owners: []string{"mockserver"}})
		box.Accounts.AddRepository(args[1]+"/app", args[1], false)
	case "sso":
		box.Accounts.EnforceSSO(args[1])
	}
}

// evilCommand: evil silent [HOST] checks that the attacker's registry, or another one, got
// no request since evil forget HOST; evil challenge HOST makes a registry send its clients
// to the attacker's token service.
func evilCommand(ts *testscript.TestScript, _ bool, args []string) {
	s, host := scriptOf(ts), evilRegistry
	if len(args) > 1 {
		host = args[1]
	}
	asked := s.box.Registry(host).Requests()
	switch args[0] {
	case "forget":
		s.heard[host] = len(asked)
	case "silent":
		if asked = asked[s.heard[host]:]; len(asked) > 0 {
			ts.Fatalf("%s was asked: %v", host, asked)
		}
	case "challenge":
		header := http.Header{"Www-Authenticate": {`Bearer realm="https://` + evilRegistry + `/token",service="registry"`}}
		s.box.Registry(host).Fault("ping", sandbox.Fault{Status: http.StatusUnauthorized, Header: header, Times: -1})
	default:
		ts.Fatalf("there is no evil %s", args[0])
	}
}

// smallDisks reports whether small-disk works; it needs the right to mount.
var smallDisks = sync.OnceValue(func() bool {
	dir, err := os.MkdirTemp("", "purser-disk")
	if err != nil {
		return false
	}
	defer func() { _ = os.Remove(dir) }()
	return mountSmall(dir) == nil && exec.Command("umount", dir).Run() == nil
})

// mountSmall mounts a disk of one page, 4096 bytes, at a folder.
func mountSmall(dir string) error {
	return exec.Command("mount", "-t", "tmpfs", "-o", "size=4k", "purser-test", dir).Run()
}

// smallDiskCommand: small-disk DIR makes a folder with room for 4096 bytes.
func smallDiskCommand(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.Mkdir(dir, 0o700))
	ts.Check(mountSmall(dir))
	ts.Defer(func() { _ = exec.Command("umount", dir).Run() })
}
