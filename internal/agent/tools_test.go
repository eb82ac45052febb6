package agent

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"purser/internal/credential"
)

// named returns a tool by its name.
func named(t *testing.T, name string) tool {
	t.Helper()
	for _, each := range tools("a registry") {
		if each.name == name {
			return each
		}
	}
	t.Fatalf("tool %s is missing", name)
	return tool{}
}

func TestAToolRunsOneCommand(t *testing.T) {
	for _, c := range []struct{ name, arguments, want string }{
		{"status", ``, "status --"},
		{"status", `{"names":["a","b"]}`, "status -- a b"},
		{"store", `{"name":"dockerhub"}`, "store --from=form -- dockerhub"},
		{"store", `{"name":"--yes","from":"mint","create":true,"dry_run":true,"expires":"90d"}`, "store --from=mint --expires=90d --dry-run --create -- --yes"},
		{"rotate", `{"names":["a"],"force":true}`, "rotate --force -- a"},
		{"rollback", `{"name":"a","undo":false}`, "rollback -- a"},
		{"respond", `{"name":"a","since":"30d"}`, "respond --since=30d -- a"},
		{"revoke", `{"name":"a","id":"1"}`, "revoke --token=1 -- a"},
		{"init", `{"from_terraform":"infra","from_script":["a.sh","b.sh"]}`, "init --from-terraform=infra --from-script=a.sh --from-script=b.sh --dry-run"},
		{"init", `{"registry":"--yes","write":true}`, "init --registry=--yes"},
		{"login", `{"profile":"p"}`, "login aws --profile=p"},
		{"terraform", `{"write":true,"names":["a"]}`, "terraform --write -- a"},
		{"tokens_list", `{}`, "tokens list"},
	} {
		each := named(t, c.name)
		in, err := each.read(json.RawMessage(c.arguments))
		if err != nil {
			t.Errorf("%s %s: %v", c.name, c.arguments, err)
			continue
		}
		if got := strings.Join(each.line(in), " "); got != c.want {
			t.Errorf("%s %s: %s", c.name, c.arguments, got)
		}
	}
}

// An argument may be a token in the wrong place.
func TestWhatIsWrongWithArgumentsIsNotRepeated(t *testing.T) {
	for _, c := range []struct{ name, arguments, what string }{
		{"store", `{}`, "store needs name"},
		{"store", `{"name":""}`, "store needs name"},
		{"store", `{"name":["FAKE"]}`, "name is not of type string"},
		{"store", `{"name":"a","yes":true}`, "arguments is unknown"},
		{"store", `{"name":"a","FAKE":"FAKE"}`, "arguments is unknown"},
		{"store", `{"name":"a","create":"FAKE"}`, "create is not of type boolean"},
		{"check", `{"names":[1]}`, "names is not of type array"},
		{"check", `"FAKE"`, "not a JSON object"},
		{"init", `{"from_terraform":"../FAKE"}`, "leads outside the project"},
		{"init", `{"from_script":["a.sh","/etc/FAKE"]}`, "leads outside the project"},
		{"terraform", `{"source":"/FAKE","write":true}`, "leads outside the project"},
	} {
		_, err := named(t, c.name).read(json.RawMessage(c.arguments))
		f, ok := errors.AsType[*credential.Fault](err)
		if !ok || f.Reason != credential.Usage || !strings.Contains(f.What, c.what) || strings.Contains(f.Error(), "FAKE") {
			t.Errorf("%s %s: %v", c.name, c.arguments, err)
		}
	}
}

func TestOnlyToolsThatRevokeOrReplaceATokenAreMarkedDestructive(t *testing.T) {
	for _, each := range tools("a registry") {
		notes := each.described().Annotations
		if want := strings.Contains(" rotate rollback respond revoke ", " "+each.name+" "); *notes.DestructiveHint != want || want && notes.ReadOnlyHint {
			t.Errorf("%s: %+v", each.name, notes)
		}
		if want := strings.Contains(" status check scan doctor tokens_list exec_advice ", " "+each.name+" "); notes.ReadOnlyHint != want {
			t.Errorf("%s: %+v", each.name, notes)
		}
	}
}
