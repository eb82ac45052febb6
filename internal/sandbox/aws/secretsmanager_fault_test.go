package aws_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	sandboxaws "purser/internal/sandbox/aws"
)

func (r *smRig) get(ctx context.Context) error {
	_, err := r.client.GetSecretValue(ctx, &sm.GetSecretValueInput{SecretId: new(smName)})
	return err
}

func TestAFaultAnswersInsteadOfTheService(t *testing.T) {
	for name, c := range map[string]struct {
		fault         sandboxaws.Fault
		code, message string
	}{
		"denied":            {sandboxaws.Fault{Code: "AccessDeniedException", Message: "Access to KMS is not allowed"}, "AccessDeniedException", "Access to KMS is not allowed"},
		"throttled":         {sandboxaws.Fault{Code: "ThrottlingException", Message: "Rate exceeded"}, "ThrottlingException", "Rate exceeded"},
		"broken":            {sandboxaws.Fault{Code: "InternalServiceError", Status: 500}, "InternalServiceError", ""},
		"modelled":          {sandboxaws.Fault{Code: "DecryptionFailure", Message: "no"}, "DecryptionFailure", "no"},
		"a body like a 503": {sandboxaws.Fault{Status: 503, Body: `{"__type":"ServiceUnavailable"}`}, "ServiceUnavailable", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSMRig(t, 1)
			r.create(smName, smCanary)
			r.standin.Fault("GetSecretValue", c.fault)
			r.describe() // other operations are not affected
			wantAWSFailure(t, r.get(t.Context()), c.code, c.message)
			wantAWSFailure(t, r.get(t.Context()), "", "")
		})
	}
}

func TestTheSDKCannotReadAProxysPage(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, smCanary)
	r.standin.Fault("", sandboxaws.Fault{Body: "<html>a proxy's page</html>"})
	if err := r.get(t.Context()); err == nil || !strings.Contains(err.Error(), "deserialization failed") {
		t.Errorf("GetSecretValue = %v, want an answer that cannot be read", err)
	}
}

func TestFaultsAreUsedUpInOrder(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, smCanary)
	r.standin.Fault("GetSecretValue", sandboxaws.Fault{Code: "ThrottlingException", Times: 2})
	r.standin.Fault("GetSecretValue", sandboxaws.Fault{Code: "InternalServiceError", Times: -1})
	for _, code := range []string{"ThrottlingException", "ThrottlingException", "InternalServiceError", "InternalServiceError"} {
		wantAWSFailure(t, r.get(t.Context()), code, "")
	}
	r.standin.ClearFaults()
	wantAWSFailure(t, r.get(t.Context()), "", "")
}

func TestTheSDKRetriesAfterALostReply(t *testing.T) {
	r := newSMRig(t, 3)
	r.create(smName, "v1")
	r.standin.Fault("PutSecretValue", sandboxaws.Fault{After: true})
	r.mustPut(2, "v2", "AWSPENDING")
	r.wantStages("1 AWSCURRENT", "2 AWSPENDING")
	want := []string{"CreateSecret", "PutSecretValue", "PutSecretValue", "DescribeSecret"}
	if diff := cmp.Diff(want, r.standin.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestACallCutAfterwardsStillTakesEffect(t *testing.T) {
	for name, c := range map[string]struct {
		fault sandboxaws.Fault
		want  []string
	}{
		"before":                 {sandboxaws.Fault{}, []string{"1 AWSCURRENT"}},
		"after":                  {sandboxaws.Fault{After: true}, []string{"1 AWSCURRENT", "2 AWSPENDING"}},
		"an error after":         {sandboxaws.Fault{After: true, Code: "InternalServiceError", Status: 500}, []string{"1 AWSCURRENT", "2 AWSPENDING"}},
		"an error instead of it": {sandboxaws.Fault{Code: "InternalServiceError", Status: 500}, []string{"1 AWSCURRENT"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSMRig(t, 1)
			r.create(smName, "v1")
			r.standin.Fault("PutSecretValue", c.fault)
			if err := r.put(2, "v2", "AWSPENDING"); err == nil {
				t.Error("PutSecretValue succeeded")
			}
			r.wantStages(c.want...)
		})
	}
}

func TestAHangingCallEndsWithItsContext(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, smCanary)
	r.standin.Fault("GetSecretValue", sandboxaws.Fault{Hang: true})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("GetSecretValue = %v, want the deadline", err)
	}
}

// smSigned is a request with the required headers. Its signature is invalid, which the stand-in
// does not check.
func smSigned(t *testing.T, service, target, body string, at time.Time) *http.Request {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://sandbox/", strings.NewReader(body))
	req.RequestURI = ""
	req.Header.Set("X-Amz-Date", at.UTC().Format("20060102T150405Z"))
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAFAKE/20261123/eu-west-2/"+service+
		"/aws4_request, SignedHeaders=host;x-amz-date, Signature=00")
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	} else {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	}
	return req
}

// Time is fake here, so the minute passes at once.
func TestADelayedCallIsAnsweredLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		standin := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
		standin.Fault("ListSecrets", sandboxaws.Fault{Delay: time.Minute})
		start, w := time.Now(), httptest.NewRecorder()
		standin.ServeHTTP(w, smSigned(t, "secretsmanager", "secretsmanager.ListSecrets", "{}", start))
		if took := time.Since(start); w.Code != http.StatusOK || took != time.Minute {
			t.Errorf("status %d after %v, want 200 after a minute", w.Code, took)
		}
	})
}

func TestRequestsAreSignedForTheRightServiceAndTime(t *testing.T) {
	now := time.Date(2026, 11, 23, 13, 0, 0, 0, time.UTC)
	standin := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{Now: func() time.Time { return now }})
	const list, who = "secretsmanager.ListSecrets", "Action=GetCallerIdentity&Version=2011-06-15"
	for name, c := range map[string]struct {
		req    *http.Request
		header string // replaces Authorization; "-" removes it, "-date" the date
		status int
		want   string
	}{
		"valid":              {smSigned(t, "secretsmanager", list, "{}", now), "", 200, `{"SecretList":[]}`},
		"five minutes old":   {smSigned(t, "secretsmanager", list, "{}", now.Add(-5*time.Minute)), "", 200, "SecretList"},
		"older":              {smSigned(t, "secretsmanager", list, "{}", now.Add(-6*time.Minute)), "", 400, `{"Message":"Signature expired: 20261123T125400Z is now earlier than 20261123T125500Z (20261123T130000Z - 5 min.)","__type":"InvalidSignatureException"}`},
		"in the future":      {smSigned(t, "secretsmanager", list, "{}", now.Add(6*time.Minute)), "", 400, "Signature not yet current: 20261123T130600Z is still later than 20261123T130500Z (20261123T130000Z + 5 min.)"},
		"in the year one":    {smSigned(t, "secretsmanager", list, "{}", time.Time{}), "", 400, "Signature expired"},
		"without a date":     {smSigned(t, "secretsmanager", list, "{}", now), "-date", 400, "Date must be in ISO-8601"},
		"another service":    {smSigned(t, "sts", list, "{}", now), "", 400, "Credential should be scoped to correct service: 'secretsmanager'."},
		"no signature":       {smSigned(t, "secretsmanager", list, "{}", now), "-", 400, "MissingAuthenticationTokenException"},
		"basic auth":         {smSigned(t, "secretsmanager", list, "{}", now), "Basic RkFLRQ==", 400, "IncompleteSignatureException"},
		"incomplete header":  {smSigned(t, "secretsmanager", list, "{}", now), "AWS4-HMAC-SHA256 Credential=a/b", 400, "requires 'Signature' parameter"},
		"with a short scope": {smSigned(t, "secretsmanager", list, "{}", now), "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0", 400, "5 slash-delimited"},
		"unknown operation":  {smSigned(t, "secretsmanager", "secretsmanager.Nope", "{}", now), "", 400, "UnknownOperationException"},
		"unknown service":    {smSigned(t, "dynamodb", "DynamoDB_20120810.GetItem", "{}", now), "", 400, "UnknownOperationException"},
		"no JSON":            {smSigned(t, "secretsmanager", list, "{", now), "", 400, "SerializationException"},
		"sts":                {smSigned(t, "sts", "", who, now.Add(-14*time.Minute)), "", 200, "<Account>123456789012</Account>"},
		"sts, old":           {smSigned(t, "sts", "", who, now.Add(-16*time.Minute)), "", 403, "<Code>SignatureDoesNotMatch</Code><Message>Signature expired: 20261123T124400Z is now earlier than 20261123T124500Z (20261123T130000Z - 15 min.)"},
		"sts, no signature":  {smSigned(t, "sts", "", who, now), "-", 403, "<Code>MissingAuthenticationToken</Code>"},
		"sts, other action":  {smSigned(t, "sts", "", "Action=GetFederationToken", now), "", 400, "<Code>InvalidAction</Code>"},
	} {
		t.Run(name, func(t *testing.T) {
			switch c.header {
			case "":
			case "-":
				c.req.Header.Del("Authorization")
			case "-date":
				c.req.Header.Del("X-Amz-Date")
			default:
				c.req.Header.Set("Authorization", c.header)
			}
			w := httptest.NewRecorder()
			standin.ServeHTTP(w, c.req)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, c.status, c.want)
			}
		})
	}
}

func TestTheSDKCorrectsItsClock(t *testing.T) {
	for attempts, code := range map[int]string{1: "InvalidSignatureException", 2: ""} {
		r := newSMRig(t, attempts)
		r.pass(time.Hour)
		_, err := r.client.ListSecrets(t.Context(), &sm.ListSecretsInput{})
		wantAWSFailure(t, err, code, "Signature expired: ")
	}
}

func TestSTSSharesTheAddress(t *testing.T) {
	r := newSMRig(t, 1)
	out, err := r.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	const arn = "arn:aws:sts::123456789012:assumed-role/sandbox/purser"
	if aws.ToString(out.Arn) != arn || aws.ToString(out.Account) != "123456789012" || !strings.HasSuffix(aws.ToString(out.UserId), ":purser") {
		t.Errorf("GetCallerIdentity = %s, %s, %s", *out.Arn, *out.Account, *out.UserId)
	}
	r.standin.Fault("GetCallerIdentity", sandboxaws.Fault{Code: "ExpiredToken", Message: "The security token included in the request is expired", Status: 403})
	_, err = r.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	wantAWSFailure(t, err, "ExpiredToken", "is expired")
}

func TestConcurrentCallsAreSafe(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "v0")
	var all sync.WaitGroup
	for n := 2; n < 22; n++ {
		all.Go(func() {
			if err := errors.Join(r.put(n, fmt.Sprint("v", n)), r.get(t.Context())); err != nil {
				t.Error(err)
			}
			r.describe()
		})
	}
	all.Wait()
	if got := r.describe().VersionIdsToStages; len(got) != 2 {
		t.Errorf("%d versions with labels, want the current and the previous one", len(got))
	}
}

func TestPrintingTheStandInShowsNoValue(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, smCanary)
	if text := fmt.Sprintf("%v %+v %#v", r.standin, r.standin, r.standin); strings.Contains(text, smCanary) {
		t.Error("the stand-in prints what it holds")
	}
}

// This benchmark uses net/http because the SDK's client is slower than the stand-in.
func BenchmarkGetSecretValue(b *testing.B) {
	standin := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
	server := httptest.NewServer(standin)
	b.Cleanup(server.Close)
	server.Client().Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	auth := "AWS4-HMAC-SHA256 Credential=AKIAFAKE/20261123/eu-west-2/secretsmanager/aws4_request, SignedHeaders=host, Signature=00"
	do := func(op, body string) {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, strings.NewReader(body))
		if err != nil {
			b.Error(err)
			return
		}
		req.Header.Set("X-Amz-Target", "secretsmanager."+op)
		req.Header.Set("X-Amz-Date", time.Now().UTC().Format("20060102T150405Z"))
		req.Header.Set("Authorization", auth)
		resp, err := server.Client().Do(req)
		if err != nil {
			b.Error(err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			b.Errorf("%s: %d, %v", op, resp.StatusCode, err)
		}
	}
	for i := range 200 {
		do("CreateSecret", fmt.Sprintf(`{"Name":"app/%d","ClientRequestToken":%q,"SecretString":%q}`, i, smID(i), smCanary))
	}
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			do("GetSecretValue", fmt.Sprintf(`{"SecretId":"app/%d","VersionStage":"AWSCURRENT"}`, i%200))
		}
	})
}
