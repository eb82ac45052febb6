package present_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"

	"purser/internal/credential"
	"purser/internal/present"
	"purser/internal/redact"
	"purser/internal/scan"
)

func TestSARIFIsValidAndTellsPlacesApart(t *testing.T) {
	value := scan.Value{Credential: "dockerhub", Stage: credential.Current, Version: "purser-1"}
	r := &scan.Result{
		Findings: []scan.Finding{
			{Where: scan.Where{Path: "/src/a b/.env", Line: 3}, Value: &value, As: redact.Base64, Whole: true},
			{Where: scan.Where{Path: "/src", Object: strings.Repeat("a", 40), Commit: strings.Repeat("c", 40), Author: "Anna", Line: 7}, Value: &value, As: redact.Plain},
			{Where: scan.Where{Path: "/elsewhere/x.zip", Inside: []string{"y"}}, Rule: "some-token", As: redact.Plain, Whole: true},
		},
		Missed: []scan.Missed{{Where: scan.Where{Path: "/src/pipe"}, Why: "it is a pipe"}},
		Faults: []error{errors.New("no right to read it")},
	}
	text, err := present.SARIF(r, "/src", "v1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	var raw any
	var log struct {
		Runs []struct {
			Invocations []struct {
				Successful    bool  `json:"executionSuccessful"`
				Notifications []any `json:"toolExecutionNotifications"`
			}
			Results []struct {
				RuleID, Level string
				Locations     []struct {
					PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
				}
				PartialFingerprints map[string]string
			}
		}
	}
	if err := errors.Join(json.Unmarshal(text, &raw), json.Unmarshal(text, &log), sarifSchema(t).Validate(raw)); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	var got []string
	seen := map[string]bool{}
	for _, res := range run.Results {
		got = append(got, res.RuleID+" "+res.Level+" "+res.Locations[0].PhysicalLocation.ArtifactLocation.URI)
		seen[res.PartialFingerprints["place/v1"]] = true
	}
	want := []string{"live error a%20b/.env", "live error .", "unknown warning /elsewhere/x.zip"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || len(seen) != 3 {
		t.Errorf("%q, %d fingerprints; want %q", got, len(seen), want)
	}
	if run.Invocations[0].Successful || len(run.Invocations[0].Notifications) != 2 {
		t.Error("what was missed is not told")
	}
}

func sarifSchema(t *testing.T) *jsonschema.Resolved {
	t.Helper()
	text, err := os.ReadFile("testdata/sarif-2.1.0.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(text, &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	return resolved
}
