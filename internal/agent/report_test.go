package agent

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/credential"
	"purser/internal/present"
)

// aFault returns a failure with every field filled in.
func aFault(reason credential.Reason) *credential.Fault {
	return &credential.Fault{
		Reason: reason, What: "what happened", Why: "the cause", Credential: "dockerhub", Registry: "docker.io", Account: "mockserver",
		Repository: "mockserver/mockserver", Access: credential.Push, Target: credential.Target{Kind: "secret", Name: "mockserver-build/dockerhub", Region: "eu-west-2"},
	}
}

func TestEveryFailureHasItsReasonWhatWhyAndNextStepAsDataAndText(t *testing.T) {
	for _, reason := range present.Reasons() {
		raw, err := json.Marshal(present.ReportOf(aFault(reason)))
		if err != nil {
			t.Fatal(err)
		}
		res := resultOf(raw, 1, []string{"store", "--", "docker hub"}, "")
		var r struct{ Error present.ErrorJSON }
		if err := json.Unmarshal(res.StructuredContent.(json.RawMessage), &r); err != nil {
			t.Fatal(err)
		}
		if !res.IsError || r.Error.Reason != string(reason) || r.Error.What == "" || r.Error.Why == "" || len(r.Error.Next) == 0 {
			t.Errorf("%s: %+v", reason, r.Error)
		}
		text := res.Content[0].(*mcp.TextContent).Text
		for _, want := range append(slices.Clone(r.Error.Next), r.Error.Why, r.Error.Meaning, string(reason)) {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the text does not say %q: %s", reason, want, text)
			}
		}
	}
	res := resultOf(nil, 1, nil, "panic: dckr_pat_FAKEfakeFAKEfakeFAKEfake123")
	if text := res.Content[0].(*mcp.TextContent).Text; strings.Contains(text, "FAKE") || !strings.Contains(text, "next: ") {
		t.Errorf("without a report: %s", text)
	}
}

// TestAnAgentIsNotOfferedAWayPastThePerson puts every failure at every place of a report.
func TestAnAgentIsNotOfferedAWayPastThePerson(t *testing.T) {
	for _, reason := range present.Reasons() {
		e := present.ErrorReport(aFault(reason))
		raw, err := json.Marshal(present.ReportOf(aFault(reason)).With("store", &present.StoreJSON{Places: []present.PlaceJSON{{Error: e}}}).
			With("credentials", []present.CredentialJSON{{Places: []present.PlaceJSON{{Error: e}}}}).With("doctor", []map[string]any{{"error": e}}))
		if err != nil {
			t.Fatal(err)
		}
		res := resultOf(raw, 1, []string{"store", "--from=mint", "--", "dockerhub"}, "")
		shown := string(res.StructuredContent.(json.RawMessage)) + res.Content[0].(*mcp.TextContent).Text
		for _, flag := range []string{"--yes", " -y", "--token-stdin", "--allow-password", "--despite-terraform", "--no-redact"} {
			if strings.Contains(shown, flag) {
				t.Errorf("%s: the agent sees %s: %s", reason, flag, shown)
			}
		}
		if n := strings.Count(shown, `"next":[`); n < 4 {
			t.Errorf("%s: %d of 4 errors have a next step: %s", reason, n, shown)
		}
	}
}

func TestACommandIsQuotedForAShell(t *testing.T) {
	for want, line := range map[string][]string{
		"store --from=form -- dockerhub": {"store", "--from=form", "--", "dockerhub"},
		`init '--username=a b' ''`:       {"init", "--username=a b", ""},
		`x 'it'\''s' '$(id)'`:            {"x", "it's", "$(id)"},
	} {
		if got := quoted(line); got != want {
			t.Errorf("%q: %s", line, got)
		}
	}
}
