// Package audits connects an audit's snapshot to AWS: IAM, KMS, Organizations and EC2. It stands
// beside wire, since the credential helper and the rotation function need none of that.
package audits

import (
	"context"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"purser/internal/credential"
	"purser/internal/snapshot"
	"purser/internal/wire"
)

// attempts is how often a call is tried. An audit makes thousands of calls, and throttled ones
// succeed later: the SDK slows down between them.
const attempts = 10

// Clients returns the clients that a snapshot of a target's account needs, with the target's
// profile. Other regions of the account use the same profile.
func Clients(ctx context.Context, w *wire.Wire, t credential.Target) (snapshot.Clients, error) {
	store, err := w.SecretsManager(ctx, t)
	if err != nil {
		return snapshot.Clients{}, err
	}
	cfg, err := config(ctx, w, t)
	if err != nil {
		return snapshot.Clients{}, err
	}
	var mu sync.Mutex // guards known
	known := map[string]snapshot.Regional{}
	return snapshot.Clients{
		Caller: store.Caller, IAM: iam.NewFromConfig(cfg), Organizations: organizations.NewFromConfig(cfg),
		In: func(region string) (snapshot.Regional, error) {
			mu.Lock()
			defer mu.Unlock()
			if r, ok := known[region]; ok {
				return r, nil
			}
			there := t
			there.Region = region
			cfg, err := config(ctx, w, there)
			if err != nil {
				return snapshot.Regional{}, err
			}
			r := snapshot.Regional{Secrets: sm.NewFromConfig(cfg), KMS: kms.NewFromConfig(cfg), EC2: newEC2(cfg)}
			known[region] = r
			return r, nil
		},
	}, nil
}

func config(ctx context.Context, w *wire.Wire, t credential.Target) (aws.Config, error) {
	cfg, err := w.AWSConfig(ctx, t)
	cfg.RetryMaxAttempts = attempts
	return cfg, err
}
