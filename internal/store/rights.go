package store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"purser/internal/credential"
)

// noSuchVersion names a version that no secret has: its form is not one that
// purser, the service or an SDK makes.
const noSuchVersion = "purser-doctor-no-such-version-0000000"

// Rights finds out what this identity may do with the secret, without reading a
// value and without changing anything: it asks for a version, and to take a
// label off a version, that do not exist. AWS checks permissions before it
// looks (recorded: a missing secret under a policy for other ARNs is answered
// AccessDenied), so any other answer means that the call is allowed. Writing has
// no such form and stays unknown.
func (s *SecretsManager) Rights(ctx context.Context) []credential.Right {
	_, readErr := s.cfg.API.GetSecretValue(ctx, &sm.GetSecretValueInput{
		SecretId: s.id(), VersionId: aws.String(noSuchVersion),
	})
	_, moveErr := s.cfg.API.UpdateSecretVersionStage(ctx, &sm.UpdateSecretVersionStageInput{
		SecretId: s.id(), VersionStage: aws.String("PURSER-DOCTOR"), RemoveFromVersionId: aws.String(noSuchVersion),
	})
	return []credential.Right{
		s.right(ctx, "secretsmanager:GetSecretValue", readErr),
		s.right(ctx, "secretsmanager:UpdateSecretVersionStage", moveErr),
		{Action: "secretsmanager:PutSecretValue", Verdict: credential.Unknown},
		{Action: "secretsmanager:TagResource", Verdict: credential.Unknown},
	}
}

func (s *SecretsManager) right(ctx context.Context, action string, err error) credential.Right {
	r := credential.Right{Action: action, Verdict: credential.Granted}
	if err == nil {
		return r
	}
	f := s.fault(ctx, "try "+action, err)
	switch f.Reason {
	case credential.AccessDenied, credential.KeyDenied:
		r.Verdict, r.Fault = credential.Refused, f
	case credential.SecretMissing, credential.StoreRefused, credential.MidRotation, credential.SecretDeleted:
		// It was let in, and found that there is nothing.
	default:
		r.Verdict, r.Fault = credential.Unknown, f
	}
	return r
}
