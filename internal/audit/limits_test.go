package audit_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"purser/internal/audit"
	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
)

type lookup func(*cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error)

func (l lookup) LookupEvents(_ context.Context, in *cloudtrail.LookupEventsInput, _ ...func(*cloudtrail.Options)) (*cloudtrail.LookupEventsOutput, error) {
	return l(in)
}

// CloudTrail allows two requests a second in all.
func TestRequestsKeepToTheRateLimit(t *testing.T) {
	asked, waited := 0, 0
	trail := audit.Trail{Region: "eu-west-2", Wait: func(context.Context, time.Duration) error { waited++; return nil },
		API: lookup(func(*cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
			asked++
			return &cloudtrail.LookupEventsOutput{}, nil
		})}
	if _, err := trail.Reads(t.Context(), name, arn, time.Now().Add(-time.Hour), time.Now()); err != nil || waited != asked-1 {
		t.Errorf("%d requests, %d pauses between them: %v", asked, waited, err)
	}
}

func TestASecretIsFoundByItsARNAlone(t *testing.T) {
	box, trail, _ := newTrail(t)
	box.Record(sandboxaws.TrailEvent{Name: "GetSecretValue", At: time.Now(), Caller: instance, SecretID: name})
	found, err := trail.Reads(t.Context(), "", arn, time.Now().Add(-time.Hour), time.Now())
	if err != nil || len(found.Reads) != 1 {
		t.Errorf("%d reads by the name are found by the ARN: %v", len(found.Reads), err)
	}
}

func TestTheSearchStaysWithinTheHistory(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 700_000_000, time.UTC)
	trail := audit.Trail{Wait: func(context.Context, time.Duration) error { return nil },
		API: lookup(func(in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
			if in.StartTime.Before(now.Add(-90 * 24 * time.Hour)) {
				t.Errorf("asked from %v on, now %v", in.StartTime, now)
			}
			return &cloudtrail.LookupEventsOutput{}, nil
		})}
	if _, err := trail.Reads(t.Context(), name, arn, now.Add(-400*24*time.Hour), now); err != nil {
		t.Error(err)
	}
}

func TestMissingAndExpiredCredentialsAreReported(t *testing.T) {
	for _, code := range []string{"ExpiredTokenException", "UnrecognizedClientException"} {
		box, trail, _ := newTrail(t)
		box.Fault("LookupEvents", sandboxaws.Fault{Code: code, Message: "no", Times: -1})
		if _, err := trail.Reads(t.Context(), name, arn, time.Now().Add(-time.Hour), time.Now()); credential.ReasonOf(err) != credential.NotSignedIn {
			t.Errorf("%s: %q", code, credential.ReasonOf(err))
		}
	}
	server := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{}))
	defer server.Close()
	none := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, &credential.Unsigned{Err: errors.New("no EC2 IMDS role found")}
	})
	trail := audit.Trail{Region: "eu-west-2", API: cloudtrail.New(cloudtrail.Options{Region: "eu-west-2", BaseEndpoint: &server.URL, Credentials: aws.NewCredentialsCache(none), Retryer: quick()})}
	if _, err := trail.Reads(t.Context(), name, arn, time.Now().Add(-time.Hour), time.Now()); credential.ReasonOf(err) != credential.NotSignedIn {
		t.Errorf("no credentials: %q %v", credential.ReasonOf(err), err)
	}
}

func TestAnEventsOwnTimeIsTheFallback(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	trail := audit.Trail{Wait: func(context.Context, time.Duration) error { return nil },
		API: lookup(func(in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
			if *in.LookupAttributes[0].AttributeValue != "GetSecretValue" {
				return &cloudtrail.LookupEventsOutput{}, nil
			}
			text := `{"eventTime":"2026-11-23T10:00:00Z","userIdentity":{"arn":"arn:aws:iam::123456789012:user/ada"},"requestParameters":{"secretId":"` + name + `"}}`
			return &cloudtrail.LookupEventsOutput{Events: []types.Event{{CloudTrailEvent: &text}}}, nil
		})}
	found, err := trail.Reads(t.Context(), name, arn, at.Add(-time.Hour), at)
	if err != nil || len(found.Reads) != 1 || !found.Reads[0].At.Equal(at) {
		t.Errorf("%+v: %v", found, err)
	}
}

func TestAnInterruptEndsTheSearch(t *testing.T) {
	next := "more"
	trail := audit.Trail{Region: "eu-west-2", Wait: func(context.Context, time.Duration) error { return context.Canceled },
		API: lookup(func(*cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
			return &cloudtrail.LookupEventsOutput{NextToken: &next}, nil
		})}
	if _, err := trail.Reads(t.Context(), name, arn, time.Now().Add(-time.Hour), time.Now()); credential.ReasonOf(err) != credential.StoreUnreachable {
		t.Errorf("%q: %v", credential.ReasonOf(err), err)
	}
}

// The history is newest first.
func TestACutOffSearchReportsHowFarBackItGot(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	asked, next := 0, "more"
	trail := audit.Trail{Wait: func(context.Context, time.Duration) error { return nil },
		API: lookup(func(in *cloudtrail.LookupEventsInput) (*cloudtrail.LookupEventsOutput, error) {
			if *in.LookupAttributes[0].AttributeValue != "GetSecretValue" {
				return &cloudtrail.LookupEventsOutput{}, nil
			}
			asked++
			return &cloudtrail.LookupEventsOutput{NextToken: &next, Events: []types.Event{{EventTime: aws.Time(now.Add(-time.Duration(asked) * time.Hour))}}}, nil
		})}
	found, err := trail.Reads(t.Context(), name, arn, now.Add(-80*24*time.Hour), now)
	if err != nil || found.Complete || asked != 120 || !found.Oldest.Equal(now.Add(-120*time.Hour)) {
		t.Errorf("complete %t after %d pages, oldest %v: %v", found.Complete, asked, found.Oldest, err)
	}
}
