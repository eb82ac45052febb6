package audit_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"purser/internal/audit"
	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
)

const (
	name     = "mockserver-build/dockerhub"
	arn      = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:mockserver-build/dockerhub-AbCdEf"
	instance = "arn:aws:sts::123456789012:assumed-role/buildkite-agents/i-0123456789abcdef0"
)

// quick retries like the SDK but without its pauses: it sometimes loses a connection while
// reading a long answer.
func quick() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 5, time.Millisecond })
}

func newTrail(t *testing.T) (*sandboxaws.SecretsManager, audit.Trail, *int) {
	t.Helper()
	aws1 := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
	server := httptest.NewServer(aws1)
	t.Cleanup(server.Close)
	client := cloudtrail.New(cloudtrail.Options{
		Region: "eu-west-2", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", ""), Retryer: quick(),
	})
	waits := new(int)
	return aws1, audit.Trail{API: client, Region: "eu-west-2", Wait: func(context.Context, time.Duration) error { *waits++; return nil }}, waits
}

func TestReadersAreGroupedAndSorted(t *testing.T) {
	box, trail, waits := newTrail(t)
	now := time.Now().Truncate(time.Second)
	for i := range 120 {
		box.Record(sandboxaws.TrailEvent{Name: "GetSecretValue", At: now.Add(-time.Duration(i) * time.Minute), Caller: instance, Source: "10.0.0.7", Agent: "aws-sdk", SecretID: name, Stage: "AWSCURRENT"})
	}
	for _, e := range []sandboxaws.TrailEvent{
		{SecretID: arn, Caller: "arn:aws:iam::123456789012:user/ada", Source: "192.0.2.1", Agent: "x\x1b[2J"},
		{SecretID: strings.TrimSuffix(arn, "-AbCdEf"), Caller: "arn:aws:iam::123456789012:user/ada", Source: "192.0.2.2", ErrorCode: "AccessDenied"},
		{Name: "BatchGetSecretValue", SecretIDs: []string{"other", name}, Caller: "arn:aws:iam::123456789012:user/batch"},
		{SecretID: name, Service: "ecs.amazonaws.com"},
		{SecretID: name, Caller: "arn:aws:iam::123456789012:user/eve", Agent: "dckr_pat_FAKEFAKEFAKEFAKEFAKEFAKEFAK"},
		{SecretID: name + "2", Caller: "arn:aws:iam::123456789012:user/other"},
		{SecretID: "", Caller: "arn:aws:iam::123456789012:user/other"},
		{Raw: "{"},
	} {
		if e.Name == "" {
			e.Name = "GetSecretValue"
		}
		e.At = now.Add(-24 * time.Hour)
		box.Record(e)
	}
	box.Record(sandboxaws.TrailEvent{Name: "GetSecretValue", At: now.Add(-100 * 24 * time.Hour), Caller: "arn:aws:iam::123456789012:user/long-ago", SecretID: name})
	found, err := trail.Reads(t.Context(), name, arn, now.Add(-365*24*time.Hour), now)
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Reads) != 125 || !found.Complete || found.Unreadable != 1 || *waits != 3 || now.Sub(found.Since) != 90*24*time.Hour {
		t.Errorf("%d reads, complete %t, %d unreadable, %d waits, since %v", len(found.Reads), found.Complete, found.Unreadable, *waits, found.Since)
	}
	var text strings.Builder
	for _, r := range found.Readers() {
		fmt.Fprintf(&text, "%s|%s|%s|%d|%d|%v\n", r.Principal, r.Session, r.Service, r.Count, r.Denied, r.Sources)
	}
	want := `arn:aws:iam::123456789012:role/buildkite-agents|i-0123456789abcdef0||120|0|[10.0.0.7]
arn:aws:iam::123456789012:user/eve|||1|0|[]
ecs.amazonaws.com||ecs.amazonaws.com|1|0|[]
arn:aws:iam::123456789012:user/ada|||1|1|[192.0.2.2 192.0.2.1]
arn:aws:iam::123456789012:user/batch|||1|0|[]
`
	if text.String() != want {
		t.Errorf("readers:\n%s\nwant:\n%s", text.String(), want)
	}
	for _, r := range found.Reads {
		if strings.ContainsRune(r.Agent, 0x1b) || strings.Contains(r.Agent, "dckr_pat") {
			t.Errorf("the name of a program is shown as it came: %q", r.Agent)
		}
	}
}

func TestErrorsOfCloudTrailAreReported(t *testing.T) {
	for code, want := range map[string]credential.Reason{
		"AccessDeniedException": credential.AccessDenied, "ThrottlingException": credential.StoreUnreachable, "": credential.StoreUnreachable,
	} {
		box, trail, _ := newTrail(t)
		box.Fault("LookupEvents", sandboxaws.Fault{Code: code, Message: "no", Times: -1})
		_, err := trail.Reads(t.Context(), name, arn, time.Now().Add(-time.Hour), time.Now())
		if credential.ReasonOf(err) != want || !strings.Contains(err.Error(), "eu-west-2") {
			t.Errorf("%q: %v", code, err)
		}
	}
}
