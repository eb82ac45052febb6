package audits

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/snapshot"
	"purser/internal/wire"
	_ "purser/internal/wire/kinds" // the tests need its stores
)

const profile = "arn:aws:iam::123456789012:instance-profile/ci/agents"

func machines(n int) (all []sandboxaws.EC2Instance) {
	for i := range n {
		all = append(all, sandboxaws.EC2Instance{Region: "eu-west-2", ID: fmt.Sprintf("i-%017d", i), State: "running", Profile: profile, Tokens: "required", Hops: 2, Endpoint: "enabled"})
	}
	return all
}

func TestASnapshotIsTakenWithATargetsProfile(t *testing.T) {
	box := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{PageSize: 2})
	server := httptest.NewServer(box)
	defer server.Close()
	box.SetIAM(sandboxaws.Identities{Roles: []sandboxaws.IAMRole{{ARN: "arn:aws:iam::123456789012:role/agents", Profiles: []sandboxaws.IAMProfile{{ARN: profile}}}}})
	box.SetInstances(machines(5)...)
	w := &wire.Wire{Now: time.Now, AWS: &wire.LocalAWS{Endpoint: server.URL}}
	c, err := Clients(t.Context(), w, credential.Target{Kind: "aws-secrets-manager", Name: "none", Region: "eu-west-2"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := snapshot.Take(t.Context(), c, []snapshot.Ref{{Secret: "none", Region: "eu-west-2"}, {Secret: "none", Region: "eu-west-1"}}, snapshot.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if s.About.Account != "123456789012" || len(s.About.NotLookedAt) != 0 || len(s.Roles) != 1 || len(s.Instances) != 5 || len(s.Secrets) != 2 {
		t.Errorf("%+v", s)
	}
}

// quickly is a client without pauses.
func quickly(url string) *ec2 {
	c := newEC2(aws.Config{Region: "eu-west-2", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", ""), HTTPClient: http.DefaultClient})
	c.retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, time.Millisecond })
	return c
}

func TestInstancesComeWithTheirMetadataOptions(t *testing.T) {
	box := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{PageSize: 1})
	server := httptest.NewServer(box)
	defer server.Close()
	box.SetInstances(
		sandboxaws.EC2Instance{Region: "eu-west-2", ID: "i-1", State: "stopped", Profile: profile, Tokens: "optional", Hops: 1, Endpoint: "disabled"},
		sandboxaws.EC2Instance{Region: "eu-west-2", ID: "i-2", State: "terminated", Profile: profile},
		sandboxaws.EC2Instance{Region: "eu-west-2", ID: "i-3", State: "running"},
		sandboxaws.EC2Instance{Region: "us-east-1", ID: "i-4", State: "running", Profile: profile},
		sandboxaws.EC2Instance{Region: "eu-west-2", ID: "i-5", State: "running", Profile: profile, Tokens: "required", Hops: 2, Endpoint: "enabled", Tags: sandboxaws.Tags("BuildkiteQueue", "release", "password", "hunter2")},
	)
	var got []snapshot.Instance
	for page := ""; ; {
		all, next, err := quickly(server.URL).Instances(t.Context(), page)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, all...)
		if page = next; page == "" {
			break
		}
	}
	want := []snapshot.Instance{
		{ID: "i-1", State: "stopped", Profile: profile, Tokens: "optional", Hops: 1, Metadata: "disabled"},
		{ID: "i-5", State: "running", Profile: profile, Tokens: "required", Hops: 2, Metadata: "enabled", Tags: map[string]string{"BuildkiteQueue": "release"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEC2IsAskedAgainWhenItThrottlesAndNotWhenItRefuses(t *testing.T) {
	for code, calls := range map[string]int{"RequestLimitExceeded": 4, "InternalError": 4, "UnauthorizedOperation": 1} {
		box := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
		server := httptest.NewServer(box)
		box.SetInstances(machines(1)...)
		status := 400
		if code == "InternalError" {
			status = 500
		}
		box.Fault("DescribeInstances", sandboxaws.Fault{Code: code, Message: "no", Status: status, Times: 3})
		all, _, err := quickly(server.URL).Instances(t.Context(), "")
		if got := len(box.Calls()); got != calls || (err == nil) != (calls > 1) || err == nil && len(all) != 1 {
			t.Errorf("%s: %d calls, %d instances: %v", code, got, len(all), err)
		}
		if calls == 1 && (err == nil || !strings.Contains(err.Error(), code)) {
			t.Errorf("%s: %v", code, err)
		}
		server.Close()
	}
}

func TestOddAnswersOfEC2AreErrors(t *testing.T) {
	for what, answer := range map[string]http.HandlerFunc{
		"no XML":  func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"a": 1}`) },
		"a proxy": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>sign in", http.StatusForbidden) },
		"endless": func(w http.ResponseWriter, r *http.Request) {
			for block := []byte(strings.Repeat("<a>", 1<<16)); r.Context().Err() == nil; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		},
		"silence": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		server := httptest.NewServer(answer)
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		if what == "silence" {
			stop()
		}
		if all, _, err := quickly(server.URL).Instances(ctx, ""); err == nil {
			t.Errorf("%s: %d instances", what, len(all))
		}
		stop()
		server.Close()
	}
}

func TestEC2sAddressFollowsTheRegion(t *testing.T) {
	for region, want := range map[string]string{"eu-west-2": "https://ec2.eu-west-2.amazonaws.com/", "cn-north-1": "https://ec2.cn-north-1.amazonaws.com.cn/"} {
		if got := (&ec2{cfg: aws.Config{Region: region}}).endpoint(); got != want {
			t.Errorf("%s: %s", region, got)
		}
	}
}
