// Command purser-lambda rotates a registry token on the schedule of AWS Secrets
// Manager: it is the rotation function of the secret. It does the same steps as purser
// itself, and has nothing of its own to remember.
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

// serve takes events from Lambda's interface. It does not return.
func serve(f *function) {
	process.Protect()
	lambda.Start(func(ctx context.Context, event json.RawMessage) error { return f.handle(ctx, event) })
}
