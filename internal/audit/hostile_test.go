package audit_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"purser/internal/audit"
	sandboxaws "purser/internal/sandbox/aws"
)

// pages is a CloudTrail that never ends.
type pages struct{ asked int }

func (p *pages) LookupEvents(context.Context, *cloudtrail.LookupEventsInput, ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error) {
	p.asked++
	return &cloudtrail.LookupEventsOutput{NextToken: aws.String("more")}, nil
}

func TestAnEndlessHistoryIsCutOff(t *testing.T) {
	endless := new(pages)
	trail := audit.Trail{API: endless, Wait: func(context.Context, time.Duration) error { return nil }}
	now := time.Now()
	found, err := trail.Reads(t.Context(), name, arn, now.Add(-time.Hour), now)
	if err != nil || found.Complete || endless.asked == 0 || endless.asked > 1000 {
		t.Errorf("%d pages, complete %t: %v", endless.asked, found.Complete, err)
	}
}

// Readers control most of what CloudTrail records about them.
func TestTextsOfReadersAreQuoted(t *testing.T) {
	for what, hostile := range map[string]string{
		"escape":   "x\x1b]0;title\x07\x1b[2J",
		"lines":    "x\r\nan invented line",
		"bidi":     "x\u202egnp.exe",
		"token":    "agent/1 dckr_pat_FAKEFAKEFAKEFAKEFAKEFAKEFAK",
		"in words": "agent(dckr_oat_FAKEFAKEFAKEFAKEFAKEFAKEFAKFAKE)",
		"long":     strings.Repeat("ü", 5000),
	} {
		t.Run(what, func(t *testing.T) {
			text, err := json.Marshal(map[string]any{
				"userIdentity": map[string]any{
					"arn": hostile, "invokedBy": hostile, "principalId": "AROAEXAMPLE:" + hostile,
					"sessionContext": map[string]any{"sessionIssuer": map[string]any{"arn": hostile}},
				},
				"sourceIPAddress": hostile, "userAgent": hostile, "errorCode": hostile,
				"requestParameters": map[string]any{"secretId": name, "versionId": hostile, "versionStage": hostile},
			})
			if err != nil {
				t.Fatal(err)
			}
			box, trail, _ := newTrail(t)
			now := time.Now()
			box.Record(sandboxaws.TrailEvent{Name: "GetSecretValue", At: now, Raw: string(text)})
			found, err := trail.Reads(t.Context(), name, arn, now.Add(-time.Hour), now)
			if err != nil || len(found.Reads) != 1 {
				t.Fatalf("%d reads: %v", len(found.Reads), err)
			}
			r := found.Reads[0]
			shown := []string{r.Principal, r.Session, r.Service, r.Source, r.Agent, string(r.Version), string(r.Stage), r.Denied}
			for _, reader := range found.Readers() {
				shown = append(append(shown, reader.Principal, reader.Session, reader.Service), reader.Sources...)
			}
			for i, s := range shown {
				switch {
				case s == "":
					t.Errorf("text %d is lost", i)
				case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
					t.Errorf("text %d has control characters: %q", i, s)
				case strings.Contains(s, "dckr_") || strings.Contains(s, "FAKEFAKE"):
					t.Errorf("text %d has a token: %q", i, s)
				case utf8.RuneCountInString(s) > 201: // with the … for the cut
					t.Errorf("text %d is %d characters long", i, utf8.RuneCountInString(s))
				}
			}
		})
	}
}

// A malformed event must not hide others.
func TestMalformedEventsHideNoOthers(t *testing.T) {
	for raw, unreadable := range map[string]int{
		`{"userIdentity":`:                           1,
		`[]`:                                         1,
		`{"requestParameters":{"secretId":7}}`:       1,
		`{"eventTime":"yesterday"}`:                  1,
		`{"requestParameters":null}`:                 0,
		`{"requestParameters":{"secretIdList":[]}}`:  0,
		`{"requestParameters":{"filters":[]}}`:       0,
		`{"requestParameters":{"secretId":"other"}}`: 0,
	} {
		box, trail, _ := newTrail(t)
		now := time.Now()
		box.Record(sandboxaws.TrailEvent{Name: "GetSecretValue", At: now, Raw: raw})
		box.Record(sandboxaws.TrailEvent{Name: "GetSecretValue", At: now, Caller: instance, SecretID: name})
		found, err := trail.Reads(t.Context(), name, arn, now.Add(-time.Hour), now)
		if err != nil || found.Unreadable != unreadable || len(found.Reads) != 1 {
			t.Errorf("%s: %d unreadable, %d reads: %v", raw, found.Unreadable, len(found.Reads), err)
		}
	}
}

func TestSecretsWithSimilarNamesAreNotMixedUp(t *testing.T) {
	partial := strings.TrimSuffix(arn, "-AbCdEf")
	for id, ours := range map[string]bool{
		name: true, arn: true, partial: true,
		name + "-AbCdEf": false, name[:len(name)-1]: false, strings.ToUpper(name): false, " " + name: false, "": false,
		partial + "2": false, partial + "-AbCdE": false, partial + "-ZZZZZZ": false, strings.Replace(arn, "eu-west-2", "eu-west-1", 1): false,
	} {
		box, trail, _ := newTrail(t)
		now := time.Now()
		box.Record(sandboxaws.TrailEvent{Name: "GetSecretValue", At: now, Caller: instance, SecretID: id})
		box.Record(sandboxaws.TrailEvent{Name: "BatchGetSecretValue", At: now, Caller: instance, SecretIDs: []string{"another", id}})
		found, err := trail.Reads(t.Context(), name, arn, now.Add(-time.Hour), now)
		if err != nil || len(found.Reads) == 2 != ours || len(found.Reads) == 1 {
			t.Errorf("%q: %d reads: %v", id, len(found.Reads), err)
		}
	}
}

// The SDK's client retries when CloudTrail throttles it.
func TestAThrottledRequestIsRetried(t *testing.T) {
	box := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
	server := httptest.NewServer(box)
	defer server.Close()
	client := cloudtrail.New(cloudtrail.Options{
		Region: "eu-west-2", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", ""),
		Retryer: quick(),
	})
	now := time.Now()
	for i := range 60 {
		box.Record(sandboxaws.TrailEvent{Name: "GetSecretValue", At: now.Add(-time.Duration(i) * time.Second), Caller: instance, SecretID: name})
	}
	box.Fault("LookupEvents", sandboxaws.Fault{Code: "ThrottlingException", Message: "Rate exceeded"})
	trail := audit.Trail{API: client, Region: "eu-west-2", Wait: func(context.Context, time.Duration) error { return nil }}
	found, err := trail.Reads(t.Context(), name, arn, now.Add(-time.Hour), now)
	if err != nil || len(found.Reads) != 60 {
		t.Errorf("%d reads: %v", len(found.Reads), err)
	}
	if n := len(box.Calls()); n < 4 { // two pages, the other event, and the throttled one
		t.Errorf("called %d times", n)
	}
}
