package secretsmanager_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"purser/internal/credential"
	sandboxaws "purser/internal/sandbox/aws"
	"purser/internal/store/secretsmanager"
)

// TestANameMayEndLikeAnARN stores a secret whose name is another's plus an ending as in an
// ARN. Each is found by its own name.
func TestANameMayEndLikeAnARN(t *testing.T) {
	for _, subject := range subjects(t) {
		t.Run(subject.Name, func(t *testing.T) {
			for i, name := range []string{"ci", "ci-docker", "ci-docker-tokens", "my-secret"} {
				s := subject.Open(t, name)
				for _, err := range []error{s.Create(t.Context()), s.Stage(t.Context(), id(i), value(name+" value")), s.Promote(t.Context(), id(i), id(i))} {
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
				}
			}
			for i, name := range []string{"ci", "ci-docker", "ci-docker-tokens", "my-secret"} {
				version, got, err := subject.Open(t, name).Read(t.Context(), credential.Current)
				if err != nil || version != id(i) || got.Reveal() != name+" value" {
					t.Errorf("%s: another secret was read, or none: %v", name, err)
				}
			}
			_, err := subject.Open(t, "ci-tokens").Describe(t.Context())
			if credential.ReasonOf(err) != credential.SecretMissing {
				t.Errorf("a secret that is not there: %v", err)
			}
		})
	}
}

// recording is an API that records the ids of requested secrets, and may look up another
// one.
type recording struct {
	*sm.Client
	asked  []string
	answer string // what to look up instead; "": the requested id
}

func (r *recording) look(id *string) *string {
	r.asked = append(r.asked, aws.ToString(id))
	if r.answer != "" {
		return &r.answer
	}
	return id
}

func (r *recording) DescribeSecret(ctx context.Context, in *sm.DescribeSecretInput, o ...func(*sm.Options)) (*sm.DescribeSecretOutput, error) {
	in.SecretId = r.look(in.SecretId)
	return r.Client.DescribeSecret(ctx, in, o...)
}

func (r *recording) GetSecretValue(ctx context.Context, in *sm.GetSecretValueInput, o ...func(*sm.Options)) (*sm.GetSecretValueOutput, error) {
	in.SecretId = r.look(in.SecretId)
	return r.Client.GetSecretValue(ctx, in, o...)
}

func (r *recording) PutSecretValue(ctx context.Context, in *sm.PutSecretValueInput, o ...func(*sm.Options)) (*sm.PutSecretValueOutput, error) {
	in.SecretId = r.look(in.SecretId)
	return r.Client.PutSecretValue(ctx, in, o...)
}

func (r *recording) UpdateSecretVersionStage(ctx context.Context, in *sm.UpdateSecretVersionStageInput, o ...func(*sm.Options)) (*sm.UpdateSecretVersionStageOutput, error) {
	in.SecretId = r.look(in.SecretId)
	return r.Client.UpdateSecretVersionStage(ctx, in, o...)
}

func (r *recording) TagResource(ctx context.Context, in *sm.TagResourceInput, o ...func(*sm.Options)) (*sm.TagResourceOutput, error) {
	in.SecretId = r.look(in.SecretId)
	return r.Client.TagResource(ctx, in, o...)
}

// namesRig starts a stand-in with two secrets, and returns their ARNs.
func namesRig(t *testing.T) (api *recording, open func(id string) *secretsmanager.Secret, arns map[string]string) {
	t.Helper()
	server := httptest.NewServer(sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{}))
	t.Cleanup(server.Close)
	api, arns = newRecording(server.URL), map[string]string{}
	for _, name := range []string{"ci", "ci-docker"} {
		out, err := api.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: &name, SecretString: aws.String("FAKE value of " + name)})
		if err != nil {
			t.Fatal(err)
		}
		arns[name] = *out.ARN
	}
	return api, func(id string) *secretsmanager.Secret {
		return secretsmanager.New(secretsmanager.Config{API: api, Target: credential.Target{Kind: "secret", Name: id}, Region: region})
	}, arns
}

func newRecording(endpoint string) *recording { return &recording{Client: api(endpoint)} }

func TestASecretIsLookedUpByNameOnceAndThenByARN(t *testing.T) {
	api, open, arns := namesRig(t)
	s := open("ci-docker")
	if err := s.Stage(t.Context(), id(1), value("FAKE one")); err != nil {
		t.Fatal(err)
	}
	d, err := s.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.Promote(t.Context(), id(1), d.At(credential.Current)), s.SetExpiry(t.Context(), id(1), d.Changed), s.Unstage(t.Context(), id(1))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Read(t.Context(), credential.Current); err != nil {
		t.Fatal(err)
	}
	if api.asked[0] != "ci-docker" || slices.Contains(api.asked[1:], "ci-docker") || !slices.Contains(api.asked, arns["ci-docker"]) {
		t.Errorf("asked for %q", api.asked)
	}
	reader := open("ci-docker")
	api.asked = nil
	if _, _, err := reader.Read(t.Context(), credential.Current); err != nil || len(api.asked) != 1 {
		t.Errorf("reading alone takes one call, and made %q: %v", api.asked, err)
	}
}

func TestAnAnswerAboutAnotherSecretIsRefused(t *testing.T) {
	api, open, arns := namesRig(t)
	for wanted, other := range map[string]string{
		"ci-docker": "ci", "ci": "ci-docker", arns["ci-docker"]: "ci", arns["ci"][:len(arns["ci"])-7]: "ci-docker",
	} {
		api.answer = arns[other]
		s := open(wanted)
		_, err := s.Describe(t.Context())
		_, got, readErr := s.Read(t.Context(), credential.Current)
		stageErr := s.Stage(t.Context(), id(1), value("FAKE"))
		for _, err := range []error{err, readErr, stageErr} {
			if credential.ReasonOf(err) != credential.StoreRefused || !strings.Contains(err.Error(), "AWS found another secret") {
				t.Errorf("%s: %v", wanted, err)
			}
		}
		if !got.IsZero() {
			t.Errorf("%s: the other secret's value was given", wanted)
		}
	}
	api.answer = ""
	for _, wanted := range []string{"ci-docker", arns["ci-docker"], arns["ci"], arns["ci"][:len(arns["ci"])-7]} {
		if _, _, err := open(wanted).Read(t.Context(), credential.Current); err != nil {
			t.Errorf("%s: %v", wanted, err)
		}
	}
	// To AWS, a part of an ARN that ends like a full one is full.
	part := arns["ci-docker"][:len(arns["ci-docker"])-7]
	if _, err := open(part).Describe(t.Context()); credential.ReasonOf(err) != credential.SecretMissing {
		t.Errorf("%s: %v", part, err)
	}
}
