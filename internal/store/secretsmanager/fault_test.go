package secretsmanager_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/store"
	"purser/internal/store/secretsmanager"
)

func faulty(t *testing.T, operation string, f sandboxaws.Fault) store.Store {
	t.Helper()
	stand := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
	server := httptest.NewServer(stand)
	t.Cleanup(server.Close)
	s := secretsAt(server.URL)(t, "team/ci")
	for _, err := range []error{s.Create(t.Context()), s.Stage(t.Context(), id(1), value(canary)), s.Promote(t.Context(), id(1), id(1))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f.Times = -1
	stand.Fault(operation, f)
	return s
}

// TestAWSErrorsMapToReasons uses texts that the service is known to send.
func TestAWSErrorsMapToReasons(t *testing.T) {
	for _, c := range []struct {
		code, message string
		want          credential.Reason
	}{
		{"AccessDeniedException", "User: arn:aws:sts::1:assumed-role/x is not authorized to perform: secretsmanager:GetSecretValue on resource: team/ci because no identity-based policy allows the secretsmanager:GetSecretValue action", credential.AccessDenied},
		{"AccessDeniedException", "Access to KMS is not allowed", credential.KeyDenied},
		{"DecryptionFailure", "Secrets Manager can't decrypt the protected secret text using the provided KMS key.", credential.KeyDenied},
		{"ExpiredTokenException", "The security token included in the request is expired", credential.NotSignedIn},
		{"UnrecognizedClientException", "The security token included in the request is invalid.", credential.NotSignedIn},
		{"InvalidSignatureException", "The request signature we calculated does not match the signature you provided.", credential.NotSignedIn},
		{"InvalidSignatureException", "Signature expired: 20260101T000000Z is now earlier than 20260101T001000Z", credential.ClockSkew},
		{"InvalidSignatureException", "Signature not yet current: 20260101T001000Z is still later than 20260101T000000Z", credential.ClockSkew},
		{"ThrottlingException", "Rate exceeded", credential.StoreUnreachable},
		{"InternalServiceError", "An error occurred on the server side.", credential.StoreUnreachable},
		{"InvalidRequestException", "You can't perform this operation on the secret because it was marked for deletion.", credential.SecretDeleted},
		{"InvalidRequestException", "You can't perform this operation on the secret because it was deleted.", credential.SecretDeleted},
		{"InvalidParameterException", "something else", credential.StoreRefused},
		{"SomethingNew", "unheard of", credential.StoreRefused},
	} {
		s := faulty(t, "GetSecretValue", sandboxaws.Fault{Code: c.code, Message: c.message, Status: 400})
		_, _, err := s.Read(t.Context(), credential.Current)
		if got := credential.ReasonOf(err); got != c.want {
			t.Errorf("%s %q: %s, want %s", c.code, c.message, got, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), c.code) {
			t.Errorf("%s: AWS is not quoted: %v", c.code, err)
		}
	}
}

func TestAMissingAnswerOfAWSIsUnreachable(t *testing.T) {
	for name, f := range map[string]sandboxaws.Fault{
		"cut": {}, "cut after the effect": {After: true}, "a page": {Status: 200, Body: "<html>sign in</html>"}, "half": {Status: 200, Body: `{"SecretStr`},
		"500 with a page": {Status: 500, Body: "<html>"},
	} {
		_, _, err := faulty(t, "GetSecretValue", f).Read(t.Context(), credential.Current)
		if got := credential.ReasonOf(err); got != credential.StoreUnreachable && got != credential.StoreRefused {
			t.Errorf("%s: %v (%s)", name, err, got)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	_, _, err := faulty(t, "GetSecretValue", sandboxaws.Fault{Hang: true}).Read(ctx, credential.Current)
	if credential.ReasonOf(err) != credential.StoreUnreachable || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("interrupted: %v", err)
	}
}

func TestAnEchoOfTheValueIsNotQuoted(t *testing.T) {
	s := faulty(t, "PutSecretValue", sandboxaws.Fault{Code: "InvalidParameterException", Message: "cannot take " + canary, Status: 400})
	err := s.Stage(t.Context(), id(2), value(`{"username":"u","token":"`+canary+`"}`))
	if err == nil || credential.Shows(err.Error(), value(canary)) {
		t.Error("the error shows the value, or there is none")
	}
}

func TestRepeatingAPutAfterALostAnswerSucceeds(t *testing.T) {
	stand := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
	server := httptest.NewServer(stand)
	t.Cleanup(server.Close)
	s := secretsAt(server.URL)(t, "team/ci")
	if err := s.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	stand.Fault("PutSecretValue", sandboxaws.Fault{After: true})
	if err := s.Stage(t.Context(), id(1), value("one")); credential.ReasonOf(err) != credential.StoreUnreachable {
		t.Fatalf("the lost answer: %v", err)
	}
	if err := s.Stage(t.Context(), id(1), value("one")); err != nil {
		t.Fatalf("the same call again: %v", err)
	}
	if _, v, err := s.Read(t.Context(), credential.Current); err != nil || v.Reveal() != "one" {
		t.Errorf("the value: %v", err)
	}
}

// TestMissingCredentialsAreNotSignedIn: their type identifies them, whatever their text,
// through all wrapping by the SDK.
func TestMissingCredentialsAreNotSignedIn(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want credential.Reason
	}{
		"unsigned":                 {&credential.Unsigned{Err: errors.New("static credentials are empty")}, credential.NotSignedIn},
		"only a text that says so": {errors.New("failed to refresh cached credentials, no EC2 IMDS role found"), credential.StoreUnreachable},
	} {
		provider := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, c.err })
		client := sm.New(sm.Options{Region: region, Credentials: aws.NewCredentialsCache(provider), RetryMaxAttempts: 1})
		_, err := secretsmanager.New(secretsmanager.Config{API: client, Target: credential.Target{Kind: "secret", Name: "team/ci"}, Region: region}).Describe(t.Context())
		if credential.ReasonOf(err) != c.want {
			t.Errorf("%s: %v (%s), want %s", name, err, credential.ReasonOf(err), c.want)
		}
	}
}

func TestAMissingSecretIsLookedForByItsARN(t *testing.T) {
	server := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{Account: "123456789012", Region: region, Now: time.Now}))
	t.Cleanup(server.Close)
	_, err := secretsAt(server.URL)(t, "team/ci").Describe(t.Context())
	if credential.ReasonOf(err) != credential.SecretMissing || !strings.Contains(err.Error(), "arn:aws:secretsmanager:eu-west-2:123456789012:secret:team/ci-??????") {
		t.Errorf("error = %v", err)
	}
	client := sm.New(sm.Options{BaseEndpoint: &server.URL, Region: region, Credentials: credentials.NewStaticCredentialsProvider("FAKE", "FAKE", "")})
	byARN := "arn:aws:secretsmanager:eu-west-2:123456789012:secret:other-AbCdEf"
	_, err = secretsmanager.New(secretsmanager.Config{API: client, Target: credential.Target{Kind: "secret", Name: byARN}, Region: region}).Describe(t.Context())
	if !strings.Contains(err.Error(), byARN) {
		t.Errorf("error = %v", err)
	}
}

// TestErrorsSayWhatAnswersInsteadOfAWS has a proxy's page, a network's sign-in page and an
// outage, and checks the host in the advice.
func TestErrorsSayWhatAnswersInsteadOfAWS(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		location string
		want     string
	}{
		"a page":             {200, "", "answered with a web page (200): a proxy or a network's sign-in page"},
		"a refusing page":    {403, "", "answered with a web page (403)"},
		"an outage":          {503, "", "is unavailable (503)"},
		"a way to elsewhere": {302, "https://portal.hotel.example/login", "redirects to portal.hotel.example"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				if c.location != "" {
					w.Header().Set("Location", c.location)
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte("<!doctype html><title>Sign in</title>"))
			}))
			t.Cleanup(server.Close)
			_, err := secretsAt(server.URL)(t, "team/ci").Describe(t.Context())
			f, ok := errors.AsType[*credential.Fault](err)
			if !ok || f.Reason != credential.StoreUnreachable {
				t.Fatalf("%v (%s)", err, credential.ReasonOf(err))
			}
			at := strings.TrimPrefix(server.URL, "http://")
			if f.Host != at || !strings.Contains(f.Why, c.want) || !strings.Contains(f.Why, at) {
				t.Errorf("host %q, why: %s", f.Host, f.Why)
			}
		})
	}
	t.Run("a certificate of somebody's", func(t *testing.T) {
		server := httptest.NewTLSServer(http.NotFoundHandler())
		t.Cleanup(server.Close)
		_, err := secretsAt(server.URL)(t, "team/ci").Describe(t.Context())
		f, _ := errors.AsType[*credential.Fault](err)
		if f == nil || !strings.Contains(f.Why, "Acme Co") || !strings.Contains(f.Why, "AWS_CA_BUNDLE") || f.Host == "" {
			t.Errorf("%v", err)
		}
	})
}
