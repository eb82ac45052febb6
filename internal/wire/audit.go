package wire

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"purser/internal/audit"
	"purser/internal/credential"
)

// Trail returns CloudTrail's history in a target's account and region.
func (w *Wire) Trail(ctx context.Context, t credential.Target) (audit.Trail, error) {
	clients, err := w.aws(ctx, t)
	if err != nil {
		return audit.Trail{}, err
	}
	return audit.Trail{API: cloudtrail.NewFromConfig(clients.config), Region: clients.region, Wait: wait}, nil
}
