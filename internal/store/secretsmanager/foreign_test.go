package secretsmanager_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"purser/internal/credential"
	"purser/internal/store/secretsmanager"
)

// oneSecret answers DescribeSecret with an ARN.
type oneSecret struct {
	secretsmanager.API
	arn string
}

func (o oneSecret) DescribeSecret(context.Context, *sm.DescribeSecretInput, ...func(*sm.Options)) (*sm.DescribeSecretOutput, error) {
	return &sm.DescribeSecretOutput{Name: aws.String("team/app"), ARN: aws.String(o.arn)}, nil
}

// TestASecretInAnotherAccountIsForeign: also if AWS does not tell who is calling.
func TestASecretInAnotherAccountIsForeign(t *testing.T) {
	const name, arn = "team/app", "arn:aws:secretsmanager:eu-west-2:111111111111:secret:team/app-AbCdEf"
	for _, c := range []struct {
		id, account string
		err         error
		want        string
	}{
		{name, "222222222222", nil, ""}, // AWS looks a name up in the caller's account
		{arn, "111111111111", nil, ""},
		{arn, "222222222222", nil, "111111111111"},
		{arn, "", errors.New("no answer"), "111111111111"},
	} {
		s := secretsmanager.New(secretsmanager.Config{
			API: oneSecret{arn: arn}, Target: credential.Target{Kind: "secret", Name: c.id},
			Caller: func(context.Context) (string, string, error) { return "", c.account, c.err },
		})
		if d, err := s.Describe(t.Context()); err != nil || d.Foreign != c.want {
			t.Errorf("%s, asked by %s: %q, %v", c.id, c.account, d.Foreign, err)
		}
	}
}
