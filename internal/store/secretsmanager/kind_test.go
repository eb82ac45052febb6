package secretsmanager_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/store/secretsmanager"
	_ "purser/internal/wire/kinds"
)

func TestSecretNamesAreChecked(t *testing.T) {
	for _, text := range []string{"mockserver-build/dockerhub", "a", "a/b_c+d=e.f@g-h", "x-abcde", "ci-docker", "my-secret", "build-images", "ci-tokens", "team/token-abcdef", "arn:aws:secretsmanager:eu-west-2:123456789012:secret:mockserver-build/dockerhub-AbCdEf"} {
		if err := (credential.Target{Kind: "secret", Name: text}).Check(); err != nil {
			t.Errorf("the name (%q) = %v", text, err)
		}
	}
	for _, text := range []string{"", strings.Repeat("a", 513), "white space", "bang!", "umlaut-ü", "arn:aws:s3:::bucket", "dckr_pat_FAKE"} {
		if err := (credential.Target{Kind: "secret", Name: text}).Check(); credential.ReasonOf(err) != credential.Usage {
			t.Errorf("the name (%q) = %v, want a usage fault", text, err)
		}
	}
}

func TestDescribeReportsAKeyThatTheConsumerCannotUse(t *testing.T) {
	const name = "ecr-pullthroughcache/dockerhub"
	stand := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{Now: time.Now})
	server := httptest.NewServer(stand)
	t.Cleanup(server.Close)
	if err := stand.AddEmpty(name, region, "alias/build", ""); err != nil {
		t.Fatal(err)
	}
	for shape, want := range map[credential.Shape]credential.Reason{credential.ShapeToken: "", credential.ShapeECRCache: credential.KeyUnfit} {
		s := secretsmanager.New(secretsmanager.Config{API: api(server.URL), Target: credential.Target{Kind: "secret", Name: name, Shape: shape}, Region: region})
		d, err := s.Describe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !d.OwnKey || (d.Unfit != nil) != (want != "") || d.Unfit != nil && d.Unfit.Reason != want {
			t.Errorf("%s: %+v", shape, d.Unfit)
		}
		if got := s.Examine(t.Context(), d)[0]; (got.Verdict == credential.Refused) != (want != "") {
			t.Errorf("%s: %+v", shape, got)
		}
	}
}
