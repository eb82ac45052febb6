package receipts

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"purser/internal/credential"
	"purser/internal/wire"
)

// eventSource is the source of purser's events, for matching rules.
const eventSource = "purser"

// PutEvent puts an event on an EventBridge bus in a target's account and region. detail is encoded as
// JSON and contains no secrets.
func PutEvent(ctx context.Context, w *wire.Wire, t credential.Target, bus, kind string, detail any, resources ...string) error {
	cfg, err := w.AWSConfig(ctx, t)
	if err != nil {
		return err
	}
	text, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("encode the event: %w", err)
	}
	out, err := eventbridge.NewFromConfig(cfg).PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{{
		EventBusName: aws.String(bus), Source: aws.String(eventSource), DetailType: aws.String(kind), Detail: aws.String(string(text)), Resources: resources,
	}}})
	if err != nil {
		return fmt.Errorf("put an event on the bus %s: %s", bus, credential.Quote(err.Error()))
	}
	for _, e := range out.Entries {
		if e.ErrorCode != nil {
			return fmt.Errorf("put an event on the bus %s: %s", bus, credential.Quote(aws.ToString(e.ErrorCode)+" "+aws.ToString(e.ErrorMessage)))
		}
	}
	return nil
}
