package secretsmanager_test

import (
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	sandboxaws "purser/internal/sandbox/aws"
)

// TestDescribeListsCopiesInOtherRegions runs over both implementations.
func TestDescribeListsCopiesInOtherRegions(t *testing.T) {
	box := sandboxaws.NewSecretsManager(sandboxaws.SecretsManagerConfig{})
	stand := httptest.NewServer(box)
	t.Cleanup(stand.Close)
	endpoints := map[string]string{"the stand-in": stand.URL}
	if moto, ok := motoOrNot(t); ok {
		endpoints["moto"] = moto
	}
	for name, endpoint := range endpoints {
		s := secretsAt(endpoint)(t, "copied")
		if err := s.Create(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d, err := s.Describe(t.Context()); err != nil || len(d.Replicas) != 0 || d.Behind() != nil {
			t.Errorf("%s, without a copy: %+v %v", name, d.Replicas, err)
		}
		_, err := api(endpoint).ReplicateSecretToRegions(t.Context(), &sm.ReplicateSecretToRegionsInput{
			SecretId: aws.String("copied"), AddReplicaRegions: []types.ReplicaRegionType{{Region: aws.String("eu-west-1")}},
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		d, err := s.Describe(t.Context())
		if err != nil || len(d.Replicas) != 1 || d.Replicas[0].Region != "eu-west-1" || !d.Replicas[0].InSync || d.Behind() != nil {
			t.Errorf("%s: %+v %v", name, d.Replicas, err)
		}
	}
	s := secretsAt(stand.URL)(t, "copied")
	box.LagReplicas("copied", 1, "")
	if d, err := s.Describe(t.Context()); err != nil || d.Behind() == nil || d.Behind().Failed {
		t.Errorf("a copy that is behind: %+v %v", d.Replicas, err)
	}
	if d, err := s.Describe(t.Context()); err != nil || d.Behind() != nil {
		t.Errorf("a copy that has come near: %+v %v", d.Replicas, err)
	}
	box.LagReplicas("copied", 0, "the key is disabled")
	if d, err := s.Describe(t.Context()); err != nil || d.Behind() == nil || !d.Behind().Failed || d.Behind().Why != "the key is disabled" {
		t.Errorf("a copy that has failed: %+v %v", d.Replicas, err)
	}
	_, err := api(stand.URL).RemoveRegionsFromReplication(t.Context(), &sm.RemoveRegionsFromReplicationInput{SecretId: aws.String("copied"), RemoveReplicaRegions: []string{"eu-west-1"}})
	if d, failed := s.Describe(t.Context()); err != nil || failed != nil || len(d.Replicas) != 0 {
		t.Errorf("a copy that was taken away: %+v %v %v", d.Replicas, err, failed)
	}
}
