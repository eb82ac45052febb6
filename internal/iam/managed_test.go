package iam

import (
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// AWS wrote these policies. moto (Apache-2.0) bundles nearly 1,500 of them.
func TestPoliciesThatAWSManages(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "python3", "-c", "import moto.iam.aws_managed_policies as m; print(m.aws_managed_policies_data)").Output()
	if err != nil {
		t.Skip("python3 with moto is not installed")
	}
	var all map[string]struct{ Document json.RawMessage }
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 1000 {
		t.Fatalf("only %d policies", len(all))
	}
	may := func(name, action, arn string) Verdict {
		policy, err := Parse(name, all[name].Document)
		if err != nil {
			t.Fatalf("IAM takes it: %v", err)
		}
		p := &Principal{Kind: Role, ARN: inHome + "role/r", Account: "111122223333", Policies: []*Policy{policy}}
		a := &Account{ID: p.Account, Principals: []*Principal{p}}
		return a.Decide(Request{p, action, &Resource{ARN: arn, Account: p.Account, TagsUnread: true}, nil}).Verdict
	}
	const read, secret = "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:eu-west-2:111122223333:secret:"
	var readers, some []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch may(name, read, secret+"app/db-AbCdEf") {
		case Yes:
			readers = append(readers, name)
		case Depends:
			some = append(some, name)
		}
	}
	if want := []string{"AWSSecretsManagerClientReadOnlyAccess", "AdministratorAccess", "PowerUserAccess", "SecretsManagerReadWrite"}; !slices.Equal(readers, want) {
		t.Errorf("these read every secret: %q, want %q", readers, want)
	}
	t.Logf("%d policies; %d read every secret on a condition: %s", len(all), len(some), strings.Join(some, " "))
	if len(some) < 10 || len(some) > 60 {
		t.Errorf("%d policies read every secret on a condition", len(some))
	}
	for _, c := range []struct {
		policy, action, arn string
		want                Verdict
	}{
		{"ReadOnlyAccess", read, secret + "app/db-AbCdEf", No},
		{"SecurityAudit", read, secret + "app/db-AbCdEf", No},
		{"AWSECRPullThroughCache_ServiceRolePolicy", read, secret + "ecr-pullthroughcache/dockerhub-AbCdEf", Yes},
		{"AWSECRPullThroughCache_ServiceRolePolicy", read, secret + "app/db-AbCdEf", No},
		{"PowerUserAccess", "iam:CreateUser", inHome + "user/x", No},
		{"PowerUserAccess", "secretsmanager:PutResourcePolicy", secret + "app/db-AbCdEf", Yes},
		{"AmazonS3ReadOnlyAccess", "s3:GetObject", "arn:aws:s3:::bucket/key", Yes},
		{"AmazonS3ReadOnlyAccess", "s3:PutObject", "arn:aws:s3:::bucket/key", No},
	} {
		if got := may(c.policy, c.action, c.arn); got != c.want {
			t.Errorf("%s: %s on %s: %v, want %v", c.policy, c.action, c.arn, got, c.want)
		}
	}
}
