package secretsmanager

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"purser/internal/credential"
	"purser/internal/store"
)

// noSuchVersion is a version id that no secret has: neither purser, nor the service, nor an
// SDK makes ids of this form.
const noSuchVersion = "purser-doctor-no-such-version-0000000"

type right struct {
	action  string // as AWS's policies spell it
	verdict credential.Verdict
	fault   *credential.Fault // why it is refused; nil otherwise
}

// Examine checks the key and the caller's rights.
func (s *Secret) Examine(ctx context.Context, d credential.Description) []store.Finding {
	all := []store.Finding{keyFinding(d)}
	for _, r := range s.rights(ctx) {
		f := store.Finding{About: "Right", Verdict: r.verdict, Text: r.action, Fault: r.fault}
		switch {
		case r.verdict == credential.Unknown && r.fault == nil:
			f.Text += ": purser cannot test it without writing"
		case r.verdict == credential.Unknown:
			f.Text += ": unknown"
		}
		all = append(all, f)
	}
	return all
}

func keyFinding(d credential.Description) store.Finding {
	switch {
	case d.Unfit != nil:
		return store.Finding{About: "Key", Verdict: credential.Refused, Fault: d.Unfit}
	case d.OwnKey:
		return store.Finding{About: "Key", Verdict: credential.Unknown, Text: d.Key + "; only reading a value shows whether it allows this identity"}
	}
	return store.Finding{About: "Key", Verdict: credential.Granted, Text: "AWS's own, " + ownKey}
}

// rights finds out what this identity may do with the secret without reading or changing a
// value: it asks for a version, and to take a label off a version, that do not exist. AWS
// checks permissions first (recorded: a missing secret under a policy for other ARNs is
// answered AccessDenied), so any other answer means that the call is allowed. Writing has
// no such harmless form and stays unknown.
func (s *Secret) rights(ctx context.Context) []right {
	_, readErr := s.cfg.API.GetSecretValue(ctx, &sm.GetSecretValueInput{
		SecretId: s.id(), VersionId: aws.String(noSuchVersion),
	})
	_, moveErr := s.cfg.API.UpdateSecretVersionStage(ctx, &sm.UpdateSecretVersionStageInput{
		SecretId: s.id(), VersionStage: aws.String("PURSER-DOCTOR"), RemoveFromVersionId: aws.String(noSuchVersion),
	})
	return []right{
		s.right(ctx, "secretsmanager:GetSecretValue", readErr),
		s.right(ctx, "secretsmanager:UpdateSecretVersionStage", moveErr),
		{action: "secretsmanager:PutSecretValue", verdict: credential.Unknown},
		{action: "secretsmanager:TagResource", verdict: credential.Unknown},
	}
}

func (s *Secret) right(ctx context.Context, action string, err error) right {
	r := right{action: action, verdict: credential.Granted}
	if err == nil {
		return r
	}
	f := s.fault(ctx, "try "+action, err)
	switch f.Reason {
	case credential.AccessDenied, credential.KeyDenied:
		r.verdict, r.fault = credential.Refused, f
		f.What = "AWS denies you " + action
	case credential.SecretMissing, credential.StoreRefused, credential.MidRotation, credential.SecretDeleted:
		// AWS allowed the call and found nothing.
	default:
		r.verdict, r.fault = credential.Unknown, f
	}
	return r
}
