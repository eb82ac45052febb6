package aws

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

type trailAnswer struct {
	Events []struct {
		EventName, CloudTrailEvent string
		EventTime                  int64
	}
	NextToken string
}

func lookupTrail(t *testing.T, tr *trail, body string) (out trailAnswer) {
	t.Helper()
	answer, err := tr.perform("eu-west-2", "LookupEvents", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(answer)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheTrailReturnsPagesOf50NewestFirst(t *testing.T) {
	tr, start := new(trail), time.Unix(1_700_000_000, 0)
	for i := range 120 {
		tr.events = append(tr.events, TrailEvent{Name: "GetSecretValue", At: start.Add(time.Duration(i*7%120) * time.Second)})
	}
	tr.events = append(tr.events, TrailEvent{Name: "BatchGetSecretValue", At: start})
	token, seen := "", []int64{}
	for _, want := range []int{50, 50, 20} {
		page := lookupTrail(t, tr, fmt.Sprintf(`{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"GetSecretValue"}],"NextToken":%q}`, token))
		if len(page.Events) != want {
			t.Fatalf("%d events, want %d", len(page.Events), want)
		}
		for _, e := range page.Events {
			seen = append(seen, e.EventTime)
		}
		token = page.NextToken
	}
	for i, at := range seen {
		if at != start.Unix()+119-int64(i) {
			t.Fatalf("event %d has time %d", i, at)
		}
	}
	if token != "" {
		t.Errorf("the last page has a next token: %q", token)
	}
}

func TestTheTrailFiltersByTime(t *testing.T) {
	tr := new(trail)
	for at := range 10 {
		tr.events = append(tr.events, TrailEvent{Name: "GetSecretValue", At: time.Unix(int64(at), 0)})
	}
	for body, want := range map[string]int{
		`{}`: 10, `{"StartTime":3}`: 7, `{"EndTime":3}`: 4, `{"StartTime":3,"EndTime":3}`: 1, `{"StartTime":11}`: 0, `{"MaxResults":4}`: 4,
	} {
		if got := len(lookupTrail(t, tr, body).Events); got != want {
			t.Errorf("%s: %d events, want %d", body, got, want)
		}
	}
}

func TestTheTrailRefusesUnknownLookups(t *testing.T) {
	const name = `{"AttributeKey":"EventName","AttributeValue":"GetSecretValue"}`
	for _, c := range []struct{ operation, body, code string }{
		{"LookupEvents", `{"LookupAttributes":[` + name + `,` + name + `]}`, "InvalidLookupAttributesException"},
		{"LookupEvents", `{"LookupAttributes":[{"AttributeKey":"Username","AttributeValue":"ada"}]}`, "InvalidLookupAttributesException"},
		{"LookupEvents", `{"LookupAttributes":7}`, "SerializationException"},
		{"CreateTrail", `{}`, "UnknownOperationException"},
	} {
		if _, err := new(trail).perform("eu-west-2", c.operation, []byte(c.body)); err == nil || asAWSError(err).code != c.code {
			t.Errorf("%s %s: %v", c.operation, c.body, err)
		}
	}
}

func TestTheTrailNamesTheRoleOfASession(t *testing.T) {
	const role = `"sessionIssuer":{"arn":"arn:aws:iam::123456789012:role/agents","type":"Role"}`
	for caller, want := range map[string]string{
		"arn:aws:sts::123456789012:assumed-role/agents/i-0abc": `{"arn":"arn:aws:sts::123456789012:assumed-role/agents/i-0abc","principalId":"AROAEXAMPLE:i-0abc","sessionContext":{` + role + `},"type":"AssumedRole"}`,
		"arn:aws:iam::123456789012:user/ada":                   `{"arn":"arn:aws:iam::123456789012:user/ada","principalId":"AIDAEXAMPLE","type":"IAMUser"}`,
	} {
		var event struct {
			UserIdentity json.RawMessage `json:"userIdentity"`
		}
		if err := json.Unmarshal([]byte(TrailEvent{Caller: caller}.text()), &event); err != nil || string(event.UserIdentity) != want {
			t.Errorf("%s: %s: %v", caller, event.UserIdentity, err)
		}
	}
}
