package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	sandboxaws "purser/internal/sandbox/aws"
)

const (
	smName   = "mockserver-build/dockerhub"
	smCanary = "dckr_pat_" + "FAKE-for-tests-000000000000"
	smPrefix = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:"
)

// smRig is a stand-in behind HTTP with the SDK's clients.
type smRig struct {
	standin *sandboxaws.SecretsManager
	client  *sm.Client
	sts     *sts.Client
	url     string
	t       *testing.T

	mu     sync.Mutex
	offset time.Duration // added to the machine's clock
}

func (r *smRig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.offset)
}

// pass moves the stand-in's clock. The SDK then corrects its own clock and signs again.
func (r *smRig) pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.offset += d
}

// newSMRig makes clients that try a call up to attempts times, without backoff.
func newSMRig(t *testing.T, attempts int) *smRig {
	t.Helper()
	r := &smRig{t: t}
	r.standin = sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{Now: r.now})
	server := httptest.NewServer(r.standin)
	t.Cleanup(server.Close)
	r.url = server.URL
	cfg := aws.Config{
		Region: "eu-west-2", BaseEndpoint: &server.URL, HTTPClient: server.Client(),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAFAKE", SecretAccessKey: "FAKE", SessionToken: "FAKE"}, nil
		}),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = attempts
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			})
		},
	}
	r.client, r.sts = sm.NewFromConfig(cfg), sts.NewFromConfig(cfg)
	return r
}

// smID makes a version id; the service requires 32 characters.
func smID(n int) string { return fmt.Sprintf("version-%024d", n) }

// create makes a secret, with version 1 if value is not empty.
func (r *smRig) create(name, value string) string {
	r.t.Helper()
	in := &sm.CreateSecretInput{Name: &name, ClientRequestToken: new(smID(1))}
	if value != "" {
		in.SecretString = &value
	}
	out, err := r.client.CreateSecret(r.t.Context(), in)
	if err != nil {
		r.t.Fatalf("CreateSecret(%s): %v", name, err)
	}
	return *out.ARN
}

func (r *smRig) put(n int, value string, stages ...string) error {
	_, err := r.client.PutSecretValue(r.t.Context(), &sm.PutSecretValueInput{
		SecretId: new(smName), ClientRequestToken: new(smID(n)), SecretString: &value, VersionStages: stages,
	})
	return err
}

func (r *smRig) mustPut(n int, value string, stages ...string) {
	r.t.Helper()
	if err := r.put(n, value, stages...); err != nil {
		r.t.Fatalf("PutSecretValue(%d, %v): %v", n, stages, err)
	}
}

// move omits a version that is 0.
func (r *smRig) move(stage string, from, to int) error {
	in := &sm.UpdateSecretVersionStageInput{SecretId: new(smName), VersionStage: &stage}
	if from != 0 {
		in.RemoveFromVersionId = new(smID(from))
	}
	if to != 0 {
		in.MoveToVersionId = new(smID(to))
	}
	_, err := r.client.UpdateSecretVersionStage(r.t.Context(), in)
	return err
}

func (r *smRig) describe() *sm.DescribeSecretOutput {
	r.t.Helper()
	out, err := r.client.DescribeSecret(r.t.Context(), &sm.DescribeSecretInput{SecretId: new(smName)})
	if err != nil {
		r.t.Fatalf("DescribeSecret: %v", err)
	}
	return out
}

// wantStages compares labels, such as "1 AWSPREVIOUS", "2 AWSCURRENT AWSPENDING".
func (r *smRig) wantStages(want ...string) {
	r.t.Helper()
	var got []string
	for id, stages := range r.describe().VersionIdsToStages {
		got = append(got, strings.TrimLeft(strings.TrimPrefix(id, "version-"), "0")+" "+strings.Join(stages, " "))
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("versions and their labels (-want +got):\n%s", diff)
	}
}

// wantAWSFailure checks an error's code and text. An empty code means no error.
func wantAWSFailure(t *testing.T, err error, code, message string) {
	t.Helper()
	api, ok := errors.AsType[smithy.APIError](err)
	switch {
	case code == "" && err != nil:
		t.Errorf("error = %v, want none", err)
	case code != "" && (!ok || api.ErrorCode() != code || !strings.Contains(api.ErrorMessage(), message)):
		t.Errorf("error = %v, want %s: %s", err, code, message)
	}
}

const smMissing = "Secrets Manager can't find the specified secret."

func TestASecretIsFoundByNameARNAndPartialARN(t *testing.T) {
	r := newSMRig(t, 1)
	arn := r.create(smName, smCanary)
	suffix := strings.TrimPrefix(arn, smPrefix+smName)
	tricky := r.create("ends-in-sixsix", smCanary)
	r.create("ends-in", "FAKE value of another secret") // AWS reads this name out of the other's partial ARN
	for name, c := range map[string]struct{ id, code, message string }{
		"the name":                     {smName, "", ""},
		"the ARN":                      {arn, "", ""},
		"the ARN without its suffix":   {smPrefix + smName, "", ""},
		"the name with the suffix":     {smName + suffix, "ResourceNotFoundException", smMissing},
		"the ARN with another suffix":  {smPrefix + smName + "-AbCdEf", "ResourceNotFoundException", smMissing},
		"the ARN of another region":    {strings.Replace(arn, "eu-west-2", "us-east-1", 1), "ResourceNotFoundException", smMissing},
		"another name":                 {"nope", "ResourceNotFoundException", smMissing},
		"an invalid name":              {"white space", "ValidationException", "Invalid name. Must be"},
		"a name like an ARN's end":     {"ends-in-sixsix", "", ""},
		"the whole ARN of such a name": {tricky, "", ""},
		"a partial ARN of such a name": {smPrefix + "ends-in-sixsix", "ResourceNotFoundException", smMissing},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := r.client.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: &c.id})
			wantAWSFailure(t, err, c.code, c.message)
			if err == nil && (*out.SecretString != smCanary || *out.VersionId != smID(1)) {
				t.Errorf("GetSecretValue(%s) is not what was stored", c.id)
			}
		})
	}
	if len(suffix) != 7 || suffix[0] != '-' {
		t.Errorf("the ARN %s does not end in a hyphen and six characters", arn)
	}
}

func TestNamesAreCheckedWhenASecretIsMade(t *testing.T) {
	r := newSMRig(t, 1)
	for name, code := range map[string]string{
		"a": "", "Valid/_+=.@-Name": "", strings.Repeat("n", 512): "",
		strings.Repeat("n", 513): "ValidationException", "umlaut-ü": "ValidationException",
		"white space": "ValidationException", "colon:": "ValidationException", "star*": "ValidationException",
	} {
		_, err := r.client.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: &name})
		wantAWSFailure(t, err, code, "")
	}
}

func TestRepeatedWritesAreIdempotentOrConflict(t *testing.T) {
	create := func(n int, value string) func(*smRig) error {
		return func(r *smRig) error {
			_, err := r.client.CreateSecret(r.t.Context(), &sm.CreateSecretInput{
				Name: new(smName), ClientRequestToken: new(smID(n)), SecretString: &value,
			})
			return err
		}
	}
	put := func(n int, value string) func(*smRig) error {
		return func(r *smRig) error { return r.put(n, value, "AWSPENDING") }
	}
	update := func(n int, value string) func(*smRig) error {
		return func(r *smRig) error {
			_, err := r.client.UpdateSecret(r.t.Context(), &sm.UpdateSecretInput{
				SecretId: new(smName), ClientRequestToken: new(smID(n)), SecretString: &value,
			})
			return err
		}
	}
	inUse := "You can't use ClientRequestToken " + smID(1) + " because that value is already in use for a version of secret " + smPrefix + smName
	for name, c := range map[string]struct {
		write         func(*smRig) error
		code, message string
		versions      int
	}{
		"create again":                       {create(1, smCanary), "", "", 1},
		"create with another value":          {create(1, "other"), "ResourceExistsException", inUse, 1},
		"create with another token":          {create(2, smCanary), "ResourceExistsException", "The operation failed because the secret " + smName + " already exists.", 1},
		"put the stored version again":       {put(1, smCanary), "", "", 1},
		"put another value under its token":  {put(1, "other"), "ResourceExistsException", inUse, 1},
		"put a new version":                  {put(2, smCanary), "", "", 2},
		"update with the token of a version": {update(1, smCanary), "ResourceExistsException", inUse, 1},
		"update with a new token":            {update(2, smCanary), "", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSMRig(t, 1)
			r.create(smName, smCanary)
			err := c.write(r)
			wantAWSFailure(t, err, c.code, c.message)
			if err != nil && strings.Contains(err.Error(), smCanary) {
				t.Error("the error shows the value")
			}
			if got := len(r.describe().VersionIdsToStages); got != c.versions {
				t.Errorf("%d versions, want %d", got, c.versions)
			}
		})
	}
}

func TestAValueHasOneToSixtyFourKibibytes(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "")
	wantAWSFailure(t, r.put(1, strings.Repeat("x", 65536)), "", "")
	wantAWSFailure(t, r.put(2, strings.Repeat("x", 65537)), "ValidationException", "less than or equal to 65536")
	wantAWSFailure(t, r.put(3, ""), "ValidationException", "greater than or equal to 1")
	_, err := r.client.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: new(smName)})
	wantAWSFailure(t, err, "InvalidRequestException", "You must provide either SecretString or SecretBinary.")
	_, err = r.client.PutSecretValue(t.Context(), &sm.PutSecretValueInput{
		SecretId: new(smName), SecretString: new("a"), SecretBinary: []byte("a"),
	})
	wantAWSFailure(t, err, "InvalidParameterException", "both")
	wantAWSFailure(t, r.put(1234, "x"), "", "")
	_, err = r.client.PutSecretValue(t.Context(), &sm.PutSecretValueInput{
		SecretId: new(smName), SecretString: new("a"), ClientRequestToken: new("too-short"),
	})
	wantAWSFailure(t, err, "InvalidParameterException", "32-64 characters")
}

func TestABinaryValueRoundTrips(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "")
	blob := []byte{0, 1, 2, 0xff, '"'}
	for range 2 { // the second call repeats the first
		_, err := r.client.PutSecretValue(t.Context(), &sm.PutSecretValueInput{
			SecretId: new(smName), ClientRequestToken: new(smID(1)), SecretBinary: blob,
		})
		wantAWSFailure(t, err, "", "")
	}
	out, err := r.client.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: new(smName)})
	if err != nil || out.SecretString != nil || !slices.Equal(out.SecretBinary, blob) {
		t.Errorf("GetSecretValue = %v, string %v; want the blob alone", err, out.SecretString != nil)
	}
}

func TestLabelsMoveLikeTheServices(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "")
	if got := r.describe(); got.VersionIdsToStages != nil || got.RotationEnabled != nil || got.KmsKeyId != nil {
		t.Errorf("an empty secret is described as %+v", got)
	}
	r.mustPut(1, "v1", "AWSPENDING") // the first version is always current
	r.wantStages("1 AWSCURRENT AWSPENDING")
	r.mustPut(2, "v2", "AWSPENDING", "CUSTOM")
	r.wantStages("1 AWSCURRENT", "2 AWSPENDING CUSTOM")
	wantAWSFailure(t, r.move("AWSCURRENT", 1, 2), "", "")
	r.wantStages("1 AWSPREVIOUS", "2 AWSCURRENT AWSPENDING CUSTOM")
	r.mustPut(3, "v3") // removes AWSPENDING from the replaced version, but not custom labels
	r.wantStages("2 AWSPREVIOUS CUSTOM", "3 AWSCURRENT")
	wantAWSFailure(t, r.move("AWSCURRENT", 3, 2), "", "") // rolls back
	r.wantStages("2 AWSCURRENT CUSTOM", "3 AWSPREVIOUS")
	r.mustPut(4, "v4", "CUSTOM") // a put moves any label
	r.wantStages("2 AWSCURRENT", "3 AWSPREVIOUS", "4 CUSTOM")
	r.mustPut(2, "v2", "CUSTOM") // a repeated put changes nothing, not even labels
	r.wantStages("2 AWSCURRENT", "3 AWSPREVIOUS", "4 CUSTOM")
}

func TestMovingALabelNeedsItsHolder(t *testing.T) {
	holder := "The parameter RemoveFromVersionId can't be empty. Staging label AWSCURRENT is currently attached to version " +
		smID(1) + ", so you must explicitly reference that version in RemoveFromVersionId."
	for name, c := range map[string]struct {
		stage         string
		from, to      int
		code, message string
		stages        []string
	}{
		"the holder is named":          {"AWSCURRENT", 1, 2, "", "", []string{"1 AWSPREVIOUS", "2 AWSCURRENT AWSPENDING"}},
		"the holder is not named":      {"AWSCURRENT", 0, 2, "InvalidParameterException", holder, nil},
		"another version is named":     {"AWSCURRENT", 2, 2, "InvalidParameterException", "not attached", nil},
		"it is there already":          {"AWSCURRENT", 0, 1, "", "", nil},
		"AWSCURRENT cannot be removed": {"AWSCURRENT", 1, 0, "InvalidParameterException", "It can't be completely removed.", nil},
		"a free label needs no holder": {"CUSTOM", 0, 1, "", "", []string{"1 AWSCURRENT CUSTOM", "2 AWSPENDING"}},
		"a label is only taken off":    {"AWSPENDING", 2, 0, "", "", []string{"1 AWSCURRENT"}},
		"a custom label is as strict":  {"AWSPENDING", 0, 1, "InvalidParameterException", "currently attached to version " + smID(2), nil},
		"the version does not exist":   {"AWSCURRENT", 1, 9, "ResourceNotFoundException", "VersionId: " + smID(9), nil},
		"neither version is named":     {"AWSCURRENT", 0, 0, "InvalidParameterException", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSMRig(t, 1)
			r.create(smName, "v1")
			r.mustPut(2, "v2", "AWSPENDING")
			wantAWSFailure(t, r.move(c.stage, c.from, c.to), c.code, c.message)
			if c.stages == nil {
				c.stages = []string{"1 AWSCURRENT", "2 AWSPENDING"}
			}
			r.t = t
			r.wantStages(c.stages...)
		})
	}
}

func TestReadingByVersionAndStage(t *testing.T) {
	r := newSMRig(t, 1)
	r.create(smName, "v1")
	r.mustPut(2, "v2", "AWSPENDING")
	const none = "Secrets Manager can't find the specified secret value for "
	for name, c := range map[string]struct {
		version              int
		stage                string
		value, code, message string
	}{
		"neither means the current one":  {0, "", "v1", "", ""},
		"by stage":                       {0, "AWSPENDING", "v2", "", ""},
		"by version":                     {2, "", "v2", "", ""},
		"by both":                        {2, "AWSPENDING", "v2", "", ""},
		"both, and they disagree":        {2, "AWSCURRENT", "", "InvalidRequestException", "You provided a VersionStage that is not associated to the provided VersionId."},
		"a stage that no version has":    {0, "AWSPREVIOUS", "", "ResourceNotFoundException", none + "staging label: AWSPREVIOUS"},
		"a missing version":              {9, "", "", "ResourceNotFoundException", none + "VersionId: " + smID(9)},
		"a missing version with a label": {9, "AWSCURRENT", "", "ResourceNotFoundException", none + "VersionId: " + smID(9)},
	} {
		t.Run(name, func(t *testing.T) {
			in := &sm.GetSecretValueInput{SecretId: new(smName)}
			if c.version != 0 {
				in.VersionId = new(smID(c.version))
			}
			if c.stage != "" {
				in.VersionStage = &c.stage
			}
			out, err := r.client.GetSecretValue(t.Context(), in)
			wantAWSFailure(t, err, c.code, c.message)
			if err == nil && *out.SecretString != c.value {
				t.Errorf("GetSecretValue = %q, want %q", *out.SecretString, c.value)
			}
		})
	}
}

func TestAMissingSecretIsStatus400(t *testing.T) {
	r := newSMRig(t, 1)
	_, err := r.client.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: new("nope")})
	if missing, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok || missing.ErrorMessage() != smMissing {
		t.Errorf("DescribeSecret = %v, want the modelled exception with its text", err)
	}
	if status, ok := errors.AsType[*awshttp.ResponseError](err); !ok || status.HTTPStatusCode() != http.StatusBadRequest {
		t.Errorf("DescribeSecret = %v, want the status 400", err)
	}
}
