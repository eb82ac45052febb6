package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/jsonschema-go/jsonschema"
	"github.com/spf13/cobra"

	"purser/internal/account"
	"purser/internal/buildinfo"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/doctor"
	"purser/internal/incident"
	"purser/internal/practice"
	"purser/internal/present"
	"purser/internal/receipt"
	"purser/internal/wire"
)

// outputSchema is the schema of reports, without unnamed fields: a new field needs a
// description.
var outputSchema = sync.OnceValues(func() (*jsonschema.Resolved, error) {
	all, err := schemaAsMap()
	if err != nil {
		return nil, err
	}
	closeObjects(all)
	strict, err := json.Marshal(all)
	if err != nil {
		return nil, err
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(strict, &schema); err != nil {
		return nil, err
	}
	return schema.Resolve(nil)
})

func schemaAsMap() (all map[string]any, err error) {
	return all, json.Unmarshal(present.OutputSchema(), &all)
}

func closeObjects(node any) {
	switch node := node.(type) {
	case map[string]any:
		if _, ok := node["properties"].(map[string]any); ok && node["type"] == "object" {
			node["additionalProperties"] = false
		}
		for _, v := range node {
			closeObjects(v)
		}
	case []any:
		for _, v := range node {
			closeObjects(v)
		}
	}
}

// notAReport says why standard output is not one report with this exit code; "" if it is.
func notAReport(out string, code int) string {
	dec := json.NewDecoder(strings.NewReader(out))
	var report map[string]any
	if err := dec.Decode(&report); err != nil {
		return fmt.Sprintf("it is no JSON: %v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "something follows the report"
	}
	schema, err := outputSchema()
	if err == nil {
		err = schema.Validate(report)
	}
	if err != nil {
		return err.Error()
	}
	if report["exit"] != float64(code) {
		return fmt.Sprintf("it says %v, and the exit code is %d", report["exit"], code)
	}
	return ""
}

// TestTheSchemaOfReportsHasEveryField compares the schema with the printed types, also for
// fields that no test fills.
func TestTheSchemaOfReportsHasEveryField(t *testing.T) {
	schema, err := schemaAsMap()
	if err != nil {
		t.Fatal(err)
	}
	properties := schema["properties"].(map[string]any)
	parts := map[string]any{
		"schema": "", "exit": 0, "error": present.ErrorJSON{}, "credentials": []present.CredentialJSON{}, "store": present.StoreJSON{}, "rotations": []present.RotationJSON{},
		"receipts": nil, // its type is private; a run below shows it
		"tokens":   []account.Row{}, "session": sessionJSON{}, "init": initJSON{}, "verified": []receipt.Verified{}, "heads": []receipt.Head{},
		"compared": []receipt.Compared{}, "clients": []clientJSON{}, "variables": map[string]string{}, "doctor": []doctor.Reported{}, "terraform": terraformJSON{},
		"incident": incident.Record{}, "bearers": present.BearersJSON{}, "scan": present.ScanJSON{}, "fingerprints": 0, "rehearsal": []practice.Rehearsed{}, "sandbox": practice.Running{}, "tour": practice.Toured{}, "manual": []string{}, "version": "", "build": buildinfo.Info{}, "help": "",
	}
	if got, want := slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(parts)); !slices.Equal(got, want) {
		t.Errorf("the schema has the parts %q, and the test %q", got, want)
	}
	for name, part := range parts {
		if part == nil {
			continue
		}
		sameFields(t, name, schema, properties[name].(map[string]any), reflect.TypeOf(part))
	}
	reasons := schema["$defs"].(map[string]any)["error"].(map[string]any)["properties"].(map[string]any)["reason"].(map[string]any)["examples"].([]any)
	for _, r := range present.Reasons() {
		if !slices.Contains(reasons, any(string(r))) {
			t.Errorf("the schema does not name the reason %s", r)
		}
	}
	if len(reasons) != len(present.Reasons())+1 { // and "failed", without a reason
		t.Errorf("the schema names %d reasons", len(reasons))
	}
}

// TestTheDocumentOfReportsIsTheSchemas compares the tables of docs/json-output.md with the
// schema and the reasons.
func TestTheDocumentOfReportsIsTheSchemas(t *testing.T) {
	const file = "../../docs/json-output.md"
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := schemaAsMap()
	if err != nil {
		t.Fatal(err)
	}
	var parts, reasons strings.Builder
	parts.WriteString("| field | command, and what it holds |\n|---|---|\n")
	properties := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if about, _ := properties[name].(map[string]any)["description"].(string); !slices.Contains([]string{"schema", "exit", "error"}, name) {
			fmt.Fprintf(&parts, "| `%s` | %s |\n", name, about)
		}
	}
	reasons.WriteString("| exit code | reasons |\n|---|---|\n")
	byCode := map[int][]string{present.ExitFailed: {"`failed`"}}
	for _, r := range present.Reasons() {
		code := present.ExitCode(&credential.Fault{Reason: r})
		byCode[code] = append(byCode[code], "`"+string(r)+"`")
	}
	for _, code := range slices.Sorted(maps.Keys(byCode)) {
		fmt.Fprintf(&reasons, "| %d | %s |\n", code, strings.Join(byCode[code], ", "))
	}
	want := string(raw)
	for name, table := range map[string]string{"parts": parts.String(), "reasons": reasons.String()} {
		before, rest, _ := strings.Cut(want, "<!-- "+name+" -->\n")
		_, after, ok := strings.Cut(rest, "<!-- end of "+name+" -->\n")
		if !ok {
			t.Fatalf("%s has no place for the %s", file, name)
		}
		want = before + "<!-- " + name + " -->\n" + table + "<!-- end of " + name + " -->\n" + after
	}
	if *update {
		writeFile(t, file, want)
	} else if want != string(raw) {
		t.Errorf("%s is not what the schema says (go test -run DocumentOfReports -update writes it)", file)
	}
}

// sameFields compares a type with its schema.
func sameFields(t *testing.T, at string, schema, node map[string]any, typ reflect.Type) {
	t.Helper()
	if ref, ok := node["$ref"].(string); ok {
		node = schema["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() != reflect.Uint8:
		items, ok := node["items"].(map[string]any)
		if !ok {
			t.Fatalf("%s is a list, and not so in the schema", at)
		}
		sameFields(t, at+"[]", schema, items, typ.Elem())
	case typ.Kind() == reflect.Struct && node["format"] != "date-time":
		properties, _ := node["properties"].(map[string]any)
		fields := map[string]bool{}
		for f := range fieldsOf(typ) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "-" || !f.IsExported() {
				continue
			}
			fields[name] = true
			property, ok := properties[name].(map[string]any)
			if !ok {
				t.Errorf("the schema does not have %s.%s", at, name)
				continue
			}
			required, _ := node["required"].([]any)
			if slices.Contains(required, any(name)) == strings.Contains(options, "omitempty") {
				t.Errorf("%s.%s may be missing in one of the type and the schema, and not in the other", at, name)
			}
			sameFields(t, at+"."+name, schema, property, f.Type)
		}
		for name := range properties {
			if !fields[name] {
				t.Errorf("%s.%s is in the schema, and nothing prints it", at, name)
			}
		}
	}
}

func fieldsOf(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range typ.NumField() {
			if !yield(typ.Field(i)) {
				return
			}
		}
	}
}

// outcome is a way in which a command can end.
type outcome struct {
	name   string
	args   []string // after the command
	exit   int
	reason credential.Reason
	set    func(*scene, *app) // the difference; nil: none
	in     string
	own    bool // standard output is another program's, or its own document
}

// TestEveryOutcomeIsAReport ends every command in each way that it can: standard output is
// one report, and nothing else.
func TestEveryOutcomeIsAReport(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "1") // no retries
	t.Setenv("AWS_REGION", stateRegion)
	t.Setenv("PATH", buildHelper(t)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	rows := outcomes(t)
	seen := map[string]bool{}
	eachCommand((&app{}).root(), func(c *cobra.Command) {
		path := strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "purser"), " ")
		seen[path] = true
		if len(rows[path]) == 0 {
			t.Errorf("purser %s has no row: how can it end?", path)
		}
		common := []outcome{
			{name: "a flag that there is not", args: []string{"--nosuch"}, exit: present.ExitUsage, reason: credential.Usage},
			{name: "a flag without its value", args: []string{"--timeout"}, exit: present.ExitUsage, reason: credential.Usage},
			{name: "a wrong value", args: []string{"--timeout", "soon"}, exit: present.ExitUsage, reason: credential.Usage},
			{name: "a token in the arguments", args: []string{"dckr_pat_FAKEfakeFAKEfakeFAKEfake1"}, exit: present.ExitUsage, reason: credential.TokenInArguments},
			{name: "an invisible character", args: []string{"a\u202eb"}, exit: present.ExitUsage, reason: credential.Usage},
			{name: "help", args: []string{"--help"}},
		}
		for _, o := range append(common, rows[path]...) {
			t.Run(path+": "+o.name, func(t *testing.T) { o.try(t, strings.Fields(path)) })
		}
	})
	for path := range rows {
		if !seen[path] {
			t.Errorf("there is no command purser %s", path)
		}
	}
}

func (o outcome) try(t *testing.T, path []string) {
	t.Helper()
	s := newScene(t)
	var out, errs bytes.Buffer
	a := s.app(strings.NewReader(o.in), &out, &errs)
	if o.set != nil {
		o.set(s, a)
		writeFile(t, filepath.Join(s.dir, config.FileName), s.yaml)
	}
	var args []string
	for _, arg := range slices.Concat([]string{"--output", "json"}, path, o.args) {
		if arg == "ID" {
			arg = s.newest()
		}
		args = append(args, strings.ReplaceAll(arg, "DIR", s.dir))
	}
	ctx := t.Context()
	if o.reason == credential.Interrupted {
		ended, stop := context.WithCancelCause(ctx)
		stop(interrupted(os.Interrupt))
		ctx = ended
	}
	code := run(ctx, args, a)
	if code != o.exit {
		t.Errorf("exit code %d, want %d\n%s%s", code, o.exit, out.String(), errs.String())
	}
	if o.own && code == present.ExitOK {
		return
	}
	if why := notAReport(out.String(), code); why != "" {
		t.Fatalf("%s\n%s%s", why, out.String(), errs.String())
	}
	var r saidJSON
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if o.reason != "" && !strings.Contains(out.String(), `"reason": "`+string(o.reason)+`"`) {
		t.Errorf("the reason is not %s\n%s", o.reason, out.String())
	}
}

// The ways in which many commands can end.
var (
	noNetwork = func(_ *scene, a *app) {
		a.transport, a.aws = refusing{}, &wire.LocalAWS{Endpoint: "http://127.0.0.1:1"}
	}
	noRegistry = func(_ *scene, a *app) { a.transport = refusing{} }
	noYaml     = func(s *scene, a *app) { a.dir = s.TempDir() }
	wrongFile  = func(s *scene, _ *app) { s.yaml = "nosuch: 1\n" }
	noSecret   = func(s *scene, _ *app) { s.remove(true) }
	sayNo      = func(_ *scene, a *app) {
		a.consent = func(context.Context, present.Decision) error { return present.Declined(nil) }
	}
	fromSecret   = func(_ *scene, a *app) { a.env.CI, a.env.SecretID, a.env.AWSRegion = true, stateSecret, stateRegion }
	nobody       = func(_ *scene, a *app) { a.env.ManagementSecret = "" }
	interrupting = credential.Interrupted
)

// onStore are the outcomes of commands that use stores; TestOneStateOneCode has more.
func onStore(args ...string) []outcome {
	return []outcome{
		{name: "done", args: args},
		{name: "no such credential", args: append([]string{"nosuch"}, args[1:]...), exit: present.ExitUsage, reason: credential.Usage},
		{name: "no purser.yaml", args: args, exit: present.ExitUsage, set: noYaml, reason: credential.NoConfiguration},
		{name: "a wrong purser.yaml", args: args, exit: present.ExitUsage, set: wrongFile, reason: credential.Usage},
		{name: "no such secret", args: args, exit: present.ExitMissing, set: noSecret, reason: credential.SecretMissing},
		{name: "no network", args: args, exit: present.ExitUnknown, set: noNetwork},
		{name: "interrupted", args: args, exit: present.ExitUnknown, reason: interrupting},
	}
}

// outcomes are those of each command.
func outcomes(t *testing.T) map[string][]outcome {
	t.Helper()
	usage := credential.Usage
	with := func(more []outcome, all ...outcome) []outcome { return append(more, all...) }
	refused := func(args ...string) []outcome {
		return []outcome{
			{name: "refused by the person", args: args, exit: present.ExitFailed, set: sayNo, reason: credential.Declined},
			{name: "nobody to ask", args: args, exit: present.ExitUsage, reason: credential.ConsentNeeded},
		}
	}
	onTokens := func(change bool) (all []outcome) {
		args := []string{"ID", "--yes"}
		if !change {
			args = nil
		}
		all = []outcome{
			{name: "done", args: args},
			{name: "no session", args: args, exit: present.ExitFailed, set: nobody, reason: credential.SessionNeeded},
			{name: "another registry", args: append([]string{"--registry", "ghcr.io"}, args...), exit: present.ExitUsage, reason: usage},
			{name: "no network", args: args, exit: present.ExitUnknown, set: noRegistry},
			{name: "interrupted", args: args, exit: present.ExitUnknown, reason: interrupting},
		}
		if change {
			all = append(all, outcome{name: "no id", exit: present.ExitUsage, reason: usage}, outcome{name: "no such token", args: []string{"01a2b3c4-0000", "--yes"}, exit: present.ExitFailed, reason: credential.NoSuchToken})
		}
		return all
	}
	help := []outcome{{name: "done"}, {name: "no such command", args: []string{"nosuch"}, exit: present.ExitUsage, reason: usage}}
	another := func(s *scene, _ *app) { s.yaml = strings.Replace(s.yaml, stateSecret, "mockserver-build/another", 1) }
	init := []string{"--registry", "docker.io", "--username", "mockserver", "--repository", "mockserver/mockserver", "--secret-id", "mockserver-build/dockerhub", "--region", "eu-west-2"}
	return map[string][]outcome{
		"": with(help, outcome{name: "the version", args: []string{"--version"}}), "job": help, "login": help, "receipt": help, "tokens": help, "sandbox": help,
		"help": {{name: "done", args: []string{"store"}}, {name: "no such command", args: []string{"nosuch"}, exit: present.ExitUsage, reason: usage}},
		"check": with(onStore("dockerhub"), outcome{name: "a bad token", args: []string{"dockerhub"}, exit: present.ExitBad, reason: credential.TokenRefused, set: func(s *scene, _ *app) {
			for _, token := range s.box.Accounts.Tokens("mockserver") {
				s.box.Accounts.Revoke(token.Secret)
			}
		}}),
		"status": onStore("dockerhub"), "doctor": onStore("dockerhub"),
		"store": with(onStore("dockerhub", "--mint"),
			outcome{name: "unchanged", args: []string{"dockerhub", "--dry-run", "--mint"}},
			outcome{name: "no name", exit: present.ExitUsage, reason: usage},
			outcome{name: "a token without rights", args: []string{"dockerhub", "-"}, exit: present.ExitUsage, in: "FAKE", reason: credential.KindNotStored},
			outcome{name: "no source", args: []string{"dockerhub"}, exit: present.ExitUsage, set: func(_ *scene, a *app) { a.env.CI, a.config = true, "" }},
			outcome{name: "refused by the person", args: []string{"dockerhub", "--from", "mint"}, exit: present.ExitFailed, reason: credential.Declined, set: func(s *scene, a *app) {
				s.remove(true)
				s.must(s.secrets.CreateSecret(s.Context(), &secretsmanager.CreateSecretInput{Name: new(stateSecret)}))
				sayNo(s, a)
			}}),
		"rotate": with(onStore("dockerhub", "--force"), outcome{name: "nothing chosen", exit: present.ExitUsage, reason: usage}, outcome{name: "nothing due", args: []string{"--due"}},
			outcome{name: "with a receipt", args: []string{"dockerhub", "--force"}, set: withReceipts}, outcome{name: "dry run", args: []string{"dockerhub", "--dry-run"}}),
		"rollback": with(with(onStore("dockerhub", "--yes"), refused("dockerhub")...), outcome{name: "dry run", args: []string{"dockerhub", "--dry-run"}}),
		"revoke": with(with(onStore("dockerhub", "--yes"), refused("dockerhub")...), outcome{name: "with a wait", args: []string{"dockerhub", "--yes", "--wait"}},
			outcome{name: "a wait for any token", args: []string{"dockerhub", "--token", "01a2", "--wait"}, exit: present.ExitUsage, reason: usage}),
		"respond": with(with(onStore("dockerhub", "--yes"), refused("dockerhub")...), outcome{name: "with a wait", args: []string{"dockerhub", "--yes", "--wait"}},
			outcome{name: "dry run", args: []string{"dockerhub", "--dry-run"}}, outcome{name: "a wrong date", args: []string{"dockerhub", "--since", "never"}, exit: present.ExitUsage, reason: usage}),
		"scan": {
			{name: "done", args: []string{"dockerhub"}}, {name: "found", args: []string{"-"}, exit: present.ExitBad, reason: credential.LiveFound, set: func(s *scene, a *app) {
				var all []string
				for _, token := range s.box.Accounts.Tokens("mockserver") {
					all = append(all, token.Secret.Reveal())
				}
				a.in = strings.NewReader(strings.Join(all, "\n"))
			}},
			{name: "fingerprints", args: []string{"dockerhub", "--export", "DIR/fingerprints.json"}},
			{name: "no fingerprints", args: []string{"--fingerprints", "nosuch.json"}, exit: present.ExitUsage, reason: usage},
			{name: "no such credential or file", args: []string{"nosuch"}, exit: present.ExitUsage, reason: usage}, {name: "a wrong purser.yaml", exit: present.ExitUsage, set: wrongFile, reason: usage},
			{name: "no such secret", exit: present.ExitMissing, set: noSecret, reason: credential.SecretMissing}, {name: "no network", exit: present.ExitUnknown, set: noNetwork},
			{name: "interrupted", exit: present.ExitUnknown, reason: interrupting},
		},
		"exec": {
			{name: "done", args: []string{"dockerhub", "--", "true"}, own: true},
			{name: "no command", args: []string{"dockerhub"}, exit: present.ExitUsage, reason: usage},
			{name: "no such program", args: []string{"dockerhub", "--", "nosuch-program"}, exit: present.ExitUsage, reason: usage},
			{name: "no such secret", args: []string{"dockerhub", "--", "true"}, exit: present.ExitMissing, set: noSecret, reason: credential.SecretMissing},
			{name: "no network", args: []string{"dockerhub", "--", "true"}, exit: present.ExitUnknown, set: noNetwork},
			{name: "interrupted", args: []string{"dockerhub", "--", "true"}, exit: present.ExitUnknown, reason: interrupting},
		},
		"job start": {
			{name: "done", args: []string{"--dir", "DIR/job"}, set: fromSecret},
			{name: "no folder", exit: present.ExitUsage, set: fromSecret, reason: usage},
			{name: "a folder that is there", args: []string{"--dir", "DIR"}, exit: present.ExitUsage, set: fromSecret, reason: usage},
			{name: "no configuration", args: []string{"--dir", "DIR/job"}, exit: present.ExitUsage},
		},
		"job end": {
			{name: "nothing to remove", args: []string{"--dir", "DIR/none"}}, {name: "no folder", exit: present.ExitUsage, reason: usage},
			{name: "a folder of somebody else's", args: []string{"--dir", "DIR"}, exit: present.ExitUsage, reason: usage},
		},
		"configure-docker": {
			{name: "done"}, {name: "dry run", args: []string{"--dry-run"}}, {name: "no such client", args: []string{"--client", "nosuch"}, exit: present.ExitUsage, reason: usage},
			{name: "no purser.yaml", exit: present.ExitUsage, set: noYaml, reason: credential.NoConfiguration}, {name: "no such credential", args: []string{"nosuch"}, exit: present.ExitUsage, reason: usage},
		},
		"init": {
			{name: "done", args: init, set: noYaml}, {name: "twice", args: init, set: func(s *scene, a *app) {
				a.dir = s.TempDir()
				if code := run(s.Context(), append([]string{"init"}, init...), &app{in: a.in, out: io.Discard, err: io.Discard, now: a.now, dir: a.dir}); code != present.ExitOK {
					s.Fatalf("init: exit code %d", code)
				}
			}},
			{name: "dry run", args: append([]string{"--dry-run", "--name", "other"}, init...), set: another}, {name: "nothing known", exit: present.ExitUsage, reason: usage},
			{name: "nobody to ask", args: append([]string{"--name", "other"}, init...), exit: present.ExitFailed, set: another, reason: credential.Declined},
			{name: "a wrong purser.yaml", args: init, exit: present.ExitUsage, set: wrongFile, reason: usage},
		},
		"login aws": {
			{name: "done", set: atIdentityCenter}, {name: "no such profile", args: []string{"--profile", "nosuch"}, exit: present.ExitAWS, set: atIdentityCenter, reason: credential.ProfileMissing},
			{name: "no network", exit: present.ExitUnknown, set: func(s *scene, a *app) { atIdentityCenter(s, a); a.env.AWSEndpointURLSSOOIDC = "http://127.0.0.1:1" }},
			{name: "interrupted", exit: present.ExitUnknown, set: atIdentityCenter, reason: interrupting},
		},
		"login dockerhub": {{name: "no terminal", exit: present.ExitUsage, reason: credential.NoTerminal}}, // testdata/script/login.txtar signs in
		"logout":          {{name: "done"}},
		"logout aws":      {{name: "done", set: atIdentityCenter}, {name: "no such profile", args: []string{"--profile", "nosuch"}, exit: present.ExitAWS, set: atIdentityCenter, reason: credential.ProfileMissing}},
		"receipt verify": {
			{name: "good", args: []string{"DIR/receipts.jsonl", "--kms-key", "alias/receipts"}, set: withAReceipt}, {name: "no file named", exit: present.ExitUsage, reason: usage},
			{name: "no such file", args: []string{"DIR/none", "--kms-key", "alias/receipts"}, exit: present.ExitUsage, reason: usage},
			{name: "a bad one", args: []string{"-", "--kms-key", "alias/receipts"}, in: "{}\n", exit: present.ExitFailed, reason: credential.ReceiptBad},
			{name: "another head", args: []string{"DIR/receipts.jsonl", "--kms-key", "alias/receipts", "--head", receipt.Hash(nil)}, set: withAReceipt, exit: present.ExitFailed, reason: credential.ReceiptBad},
			{name: "no network", args: []string{"-", "--kms-key", "alias/receipts"}, set: noNetwork, exit: present.ExitUnknown},
		},
		"rehearse":    {{name: "done", args: []string{"dockerhub"}}, {name: "no name", exit: present.ExitUsage, reason: usage}, {name: "no such credential", args: []string{"nosuch"}, exit: present.ExitUsage, reason: usage}},
		"sandbox try": {{name: "done"}, {name: "no such scenario", args: []string{"nosuch"}, exit: present.ExitUsage, reason: usage}},
		"sandbox run": {
			{name: "done", args: []string{"--no-namespace", "--", "true"}, own: true}, {name: "no command", exit: present.ExitUsage, reason: usage},
			{name: "no such program", args: []string{"--", "nosuch-program"}, exit: present.ExitUsage, reason: usage},
			{name: "a wrong purser.yaml", args: []string{"--no-namespace", "--", "true"}, set: wrongFile, exit: present.ExitUsage, reason: usage},
		},
		"sandbox shell":  {{name: "done", args: []string{"--no-namespace"}, own: true, set: func(s *scene, a *app) { a.env.Shell = s.sweeper }}, {name: "no such shell", set: func(_ *scene, a *app) { a.env.Shell = "nosuch-program" }, exit: present.ExitUsage, reason: usage}},
		"sandbox inside": {{name: "nothing to run in", args: []string{"--", "true"}, exit: present.ExitFailed, set: func(s *scene, _ *app) { s.Setenv("PATH", "") }}},
		"sandbox up":     {{name: "done", set: andDown}, {name: "a wrong purser.yaml", set: func(s *scene, a *app) { andDown(s, a); wrongFile(s, a) }, exit: present.ExitUsage, reason: usage}},
		"sandbox serve":  {{name: "done", args: []string{"--folder", "DIR/served"}, set: untilItServes}, {name: "a wrong purser.yaml", set: wrongFile, exit: present.ExitUsage, reason: usage}},
		"sandbox down":   {{name: "done", set: isUp}, {name: "none is up", exit: present.ExitUsage, reason: usage}},
		"sandbox fault":  {{name: "done", args: []string{"hub:mint"}, set: isUp}, {name: "none is up", args: []string{"hub:mint"}, exit: present.ExitUsage, reason: usage}, {name: "no such place", args: []string{"nosuch"}, set: isUp, exit: present.ExitUsage, reason: usage}, {name: "nothing said", exit: present.ExitUsage, reason: usage}},
		"man": {
			{name: "done", args: []string{"DIR/man"}}, {name: "no folder", exit: present.ExitUsage, reason: usage}, {name: "a wrong date", args: []string{"DIR/man", "--date", "soon"}, exit: present.ExitUsage, reason: usage},
			{name: "a folder that is a file", args: []string{"DIR/purser.yaml"}, exit: present.ExitFailed},
		},
		"completion": {{name: "done", args: []string{"bash"}, own: true}, {name: "no such shell", args: []string{"nosuch"}, exit: present.ExitUsage, reason: usage}},
		"mcp":        {{name: "done", own: true}},
		"schema":     {{name: "done", own: true}}, "schema output": {{name: "done", own: true}}, "version": {{name: "done"}},
		"remove-after": {{name: "no folder of purser's", args: []string{"/tmp/nosuch"}, exit: present.ExitUsage, reason: usage}},
		"terraform":    {{name: "done"}, {name: "with the module", args: []string{"--write", "--source", "./module"}}, {name: "no such credential", args: []string{"nosuch"}, exit: present.ExitUsage, reason: usage}, {name: "no purser.yaml", set: noYaml, exit: present.ExitUsage, reason: credential.NoConfiguration}},
		"tokens list":  onTokens(false), "tokens revoke": onTokens(true), "tokens deactivate": onTokens(true), "tokens activate": onTokens(true), "tokens create": with(onStore("dockerhub"), outcome{name: "no name", exit: present.ExitUsage, reason: usage}),
	}
}

// newest is the id of the newest token.
func (s *scene) newest() string {
	all := s.box.Accounts.Tokens("mockserver")
	return all[len(all)-1].ID
}

func withReceipts(s *scene, _ *app) { s.yaml = "receipts: {key: none, file: \"-\"}\n" + s.yaml }

// withAReceipt records a change with the stand-in's key in KMS.
func withAReceipt(s *scene, _ *app) {
	s.yaml = "receipts: {key: alias/receipts, file: receipts.jsonl}\n" + s.yaml
	if code, text := s.purser("rotate", "dockerhub", "--force"); code != present.ExitOK {
		s.Fatalf("rotate: %d\n%s", code, text)
	}
}

// atIdentityCenter makes the profile of purser.yaml sign in with the stand-in, where
// everybody agrees.
func atIdentityCenter(s *scene, a *app) {
	s.Helper()
	vars, err := s.box.Environment(s.dir)
	s.must(vars, err)
	a.env = config.ReadEnvironment(func(name string) (string, bool) {
		i := slices.IndexFunc(vars, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if i < 0 || strings.HasPrefix(name, "AWS_ACCESS") {
			return "", false
		}
		return strings.TrimPrefix(vars[i], name+"="), true
	})
	a.env.Home, a.env.Browser, a.env.RemoteSession, a.env.AWSConfigFile = s.dir, "none", true, filepath.Join(s.dir, "aws")
	writeFile(s.T, a.env.AWSConfigFile, "[profile mockserver-build]\nregion = eu-west-2\nsso_session = work\nsso_account_id = 123456789012\nsso_role_name = Admin\n"+
		"[sso-session work]\nsso_start_url = https://work.awsapps.example/start\nsso_region = eu-west-2\nsso_registration_scopes = sso:account:access\n")
	s.box.IdentityCenter.Agreed = true
	front := httptest.NewServer(s.box.IdentityCenter)
	s.Cleanup(front.Close)
	a.env.AWSEndpointURLSSO, a.env.AWSEndpointURLSSOOIDC = front.URL, front.URL
}

// beside runs a command next to the tested one.
func (s *scene) beside(folder string, args ...string) (out bytes.Buffer) {
	s.Helper()
	a := s.app(strings.NewReader(""), &out, &out)
	a.program, a.env.Sandbox = watched(s.T), folder
	if code := run(context.WithoutCancel(s.Context()), append([]string{"--output", "json"}, args...), a); code != present.ExitOK {
		s.Errorf("purser %v: exit code %d\n%s", args, code, out.String())
	}
	return out
}

func watched(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("watched-purser")
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// andDown stops the sandbox that the command leaves running.
func andDown(s *scene, a *app) {
	a.program = watched(s.T)
	out, _ := a.out.(*bytes.Buffer)
	s.Cleanup(func() {
		var r saidJSON
		if json.Unmarshal(out.Bytes(), &r) == nil && r.Sandbox != nil {
			s.beside(r.Sandbox.Folder, "sandbox", "down")
		}
	})
}

// isUp leaves a sandbox running.
func isUp(s *scene, a *app) {
	var r saidJSON
	out := s.beside("", "sandbox", "up")
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		s.Fatal(err)
	}
	a.env.Sandbox = r.Sandbox.Folder
	s.Cleanup(func() {
		if _, err := os.Stat(a.env.Sandbox); err == nil {
			s.beside(a.env.Sandbox, "sandbox", "down")
		}
	})
}

// untilItServes stops a sandbox once it reports that it runs.
func untilItServes(s *scene, a *app) {
	heard := &spoken{word: "variables", heard: make(chan struct{})}
	a.out = io.MultiWriter(a.out, heard)
	go func() {
		<-heard.heard
		s.beside(filepath.Join(s.dir, "served"), "sandbox", "down")
	}()
}

// spoken is a stream that reports when somebody writes a word.
type spoken struct {
	transcript
	word  string
	heard chan struct{}
	once  sync.Once
}

func (s *spoken) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(s.word)) {
		s.once.Do(func() { close(s.heard) })
	}
	return s.transcript.Write(p)
}
