// Command purser-lambda is the rotation function of a secret in AWS Secrets Manager. It performs the same
// steps as purser, and keeps no state.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"purser/internal/config"
	"purser/internal/process"
)

func main() {
	serve(&function{env: config.OSEnvironment(), out: os.Stdout, now: time.Now, random: rand.Reader})
}

// serve handles Lambda's events. It does not return.
func serve(f *function) {
	process.Protect()
	lambda.Start(func(ctx context.Context, event json.RawMessage) error { return f.handle(ctx, event) })
}
