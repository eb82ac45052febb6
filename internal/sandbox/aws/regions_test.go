package aws_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	sandboxaws "purser/internal/sandbox/aws"
)

func regionsOf(t *testing.T) (standin *sandboxaws.SecretsManager, address string, in func(region string) *sm.Client) {
	t.Helper()
	standin = sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
	server := httptest.NewServer(standin)
	t.Cleanup(server.Close)
	return standin, server.URL, func(region string) *sm.Client {
		return sm.New(sm.Options{Region: region, BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", "")})
	}
}

func TestRegionsHaveSecretsOfTheirOwn(t *testing.T) {
	standin, _, in := regionsOf(t)
	one, two := in("eu-west-2"), in("us-east-1")
	for client, value := range map[*sm.Client]string{one: "FAKE one", two: "FAKE two"} {
		if _, err := client.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("same"), SecretString: &value}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := two.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("same")})
	if err != nil || *got.SecretString != "FAKE two" || !strings.HasPrefix(*got.ARN, "arn:aws:secretsmanager:us-east-1:123456789012:secret:same-") {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = one.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: got.ARN})
	wantAWSFailure(t, err, "ResourceNotFoundException", "")
	list, err := one.ListSecrets(t.Context(), &sm.ListSecretsInput{})
	if err != nil || len(list.SecretList) != 1 || *list.SecretList[0].ARN == *got.ARN {
		t.Errorf("eu-west-2 lists %d: %v", len(list.SecretList), err)
	}

	// A secret of another account is found only by its ARN.
	const shared = "arn:aws:secretsmanager:us-east-1:210987654321:secret:theirs-AbCdEf"
	if err := standin.AddEmpty(shared, "", "", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := two.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: aws.String(shared), SecretString: aws.String("FAKE theirs")}); err != nil {
		t.Fatal(err)
	}
	_, err = two.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("theirs")})
	wantAWSFailure(t, err, "ResourceNotFoundException", "")
}

func TestReplicasLagSyncAndDetach(t *testing.T) {
	standin, _, in := regionsOf(t)
	home, away := in("eu-west-2"), in("eu-west-1")
	get := func() (string, error) {
		out, err := away.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("copied")})
		if err != nil {
			return "", err
		}
		return *out.SecretString, nil
	}
	is := func(when, want string) {
		t.Helper()
		if got, err := get(); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", when, got, err, want)
		}
	}
	put := func(value string) {
		t.Helper()
		if _, err := home.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: aws.String("copied"), SecretString: &value}); err != nil {
			t.Fatal(err)
		}
	}
	made, err := home.CreateSecret(t.Context(), &sm.CreateSecretInput{
		Name: aws.String("copied"), SecretString: aws.String("FAKE 1"), AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String("eu-west-1")}},
	})
	if err != nil || len(made.ReplicationStatus) != 1 {
		t.Fatalf("%+v, %v", made, err)
	}
	is("made", "FAKE 1")
	standin.LagReplicas("copied", 1, "")
	put("FAKE 2")
	is("behind", "FAKE 1")
	if _, err := home.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("copied")}); err != nil {
		t.Fatal(err)
	}
	is("in sync", "FAKE 2")
	d, err := away.DescribeSecret(t.Context(), &sm.DescribeSecretInput{SecretId: aws.String("copied")})
	if err != nil || *d.PrimaryRegion != "eu-west-2" || *d.ARN != strings.Replace(*made.ARN, "eu-west-2", "eu-west-1", 1) {
		t.Errorf("%+v, %v", d, err)
	}
	list, err := away.ListSecrets(t.Context(), &sm.ListSecretsInput{})
	if err != nil || len(list.SecretList) != 1 {
		t.Errorf("%d secrets, %v", len(list.SecretList), err)
	}
	_, err = away.PutSecretValue(t.Context(), &sm.PutSecretValueInput{SecretId: aws.String("copied"), SecretString: aws.String("FAKE 3")})
	wantAWSFailure(t, err, "InvalidRequestException", "")
	_, err = away.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("copied"), SecretString: aws.String("FAKE 3")})
	wantAWSFailure(t, err, "ResourceExistsException", "")
	_, err = home.DeleteSecret(t.Context(), &sm.DeleteSecretInput{SecretId: aws.String("copied")})
	wantAWSFailure(t, err, "InvalidParameterException", "")
	_, err = home.StopReplicationToReplica(t.Context(), &sm.StopReplicationToReplicaInput{SecretId: aws.String("copied")})
	wantAWSFailure(t, err, "InvalidRequestException", "")
	if _, err := away.StopReplicationToReplica(t.Context(), &sm.StopReplicationToReplicaInput{SecretId: aws.String("copied")}); err != nil {
		t.Fatal(err)
	}
	put("FAKE 4")
	is("detached", "FAKE 2")
	again, err := home.ReplicateSecretToRegions(t.Context(), &sm.ReplicateSecretToRegionsInput{SecretId: aws.String("copied"), AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String("eu-west-1")}}})
	if err != nil || again.ReplicationStatus[0].Status != types.StatusTypeFailed {
		t.Errorf("a taken name: %+v, %v", again, err)
	}
	if _, err := home.ReplicateSecretToRegions(t.Context(), &sm.ReplicateSecretToRegionsInput{
		SecretId: aws.String("copied"), ForceOverwriteReplicaSecret: true, AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String("eu-west-1")}},
	}); err != nil {
		t.Fatal(err)
	}
	is("overwritten", "FAKE 4")
	if _, err := home.RemoveRegionsFromReplication(t.Context(), &sm.RemoveRegionsFromReplicationInput{SecretId: aws.String("copied"), RemoveReplicaRegions: []string{"eu-west-1"}}); err != nil {
		t.Fatal(err)
	}
	_, err = get()
	wantAWSFailure(t, err, "ResourceNotFoundException", "")
}

func TestRolesCanBeAssumed(t *testing.T) {
	standin, address, in := regionsOf(t)
	own := in("eu-west-2")
	if _, err := own.CreateSecret(t.Context(), &sm.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("FAKE")}); err != nil {
		t.Fatal(err)
	}
	options := sts.Options{Region: "eu-west-2", BaseEndpoint: &address, Credentials: credentials.NewStaticCredentialsProvider("SANDBOX", "SANDBOX", "")}
	options.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.New(options), "arn:aws:iam::210987654321:role/ci/release", func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "job-7" }))
	me, err := sts.New(options).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	const want = "arn:aws:sts::210987654321:assumed-role/release/job-7"
	if err != nil || *me.Arn != want || *me.Account != "210987654321" {
		t.Fatalf("%+v, %v", me, err)
	}
	reader := sm.New(sm.Options{Region: "eu-west-2", BaseEndpoint: &address, Credentials: options.Credentials})
	if _, err := reader.GetSecretValue(t.Context(), &sm.GetSecretValueInput{SecretId: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	if reads := standin.Reads(); len(reads) != 1 || reads[0].Caller != want {
		t.Errorf("CloudTrail has %+v", reads)
	}
	_, err = sts.New(options).AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::1:role/x-that-is-none"), RoleSessionName: aws.String("job")})
	wantAWSFailure(t, err, "ValidationError", "")
}
