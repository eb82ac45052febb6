package awsaccount

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"purser/internal/config"
	"purser/internal/credential"
)

// Once prevents retries of a failure to get credentials: the provider has retried already, and
// a person waits. Its error is a *credential.Unsigned.
type Once struct{ aws.CredentialsProvider }

// Retrieve returns credentials.
func (o Once) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := o.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = &credential.Unsigned{Err: err}
	}
	return c, err
}

// metadataLimit is how long an instance's metadata service may take in all. Where there is
// none, or a container is one hop too far away, it never answers.
const metadataLimit = time.Second

// InstanceRole asks the metadata service within metadataLimit.
func InstanceRole(env config.Environment) awsconfig.LoadOptionsFunc {
	o := imds.Options{
		Endpoint: env.AWSMetadataEndpoint, HTTPClient: &http.Client{Transport: &deadline{next: http.DefaultTransport}}, Retryer: aws.NopRetryer{},
	}
	if env.AWSMetadataDisabled {
		o.ClientEnableState = imds.ClientDisabled
	}
	return awsconfig.WithEC2RoleCredentialOptions(func(role *ec2rolecreds.Options) { role.Client = imds.New(o) })
}

// ContainerRole asks a container's credentials endpoint, at most twice for a second each: the
// SDK would wait for a silent one without limit.
func ContainerRole() awsconfig.LoadOptionsFunc {
	return awsconfig.WithEndpointCredentialOptions(func(o *endpointcreds.Options) {
		o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) { s.MaxAttempts, s.MaxBackoff = 2, 100*time.Millisecond })
		o.HTTPClient = &http.Client{Transport: http.DefaultTransport, Timeout: metadataLimit}
	})
}

// deadline gives each request half of the limit: one for a token, and one for the answer to
// what is then asked.
type deadline struct {
	next http.RoundTripper
	dead atomic.Bool // it did not answer once, so do not wait again
}

// RoundTrip sends one request.
func (d *deadline) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.dead.Load() {
		return nil, context.DeadlineExceeded
	}
	ctx, stop := context.WithTimeout(r.Context(), metadataLimit/2) // one half for the token, one for the rest
	resp, err := d.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		d.dead.Store(ctx.Err() != nil && r.Context().Err() == nil)
		stop()
		return nil, err
	}
	resp.Body = &stopping{resp.Body, stop}
	return resp, nil
}

// stopping releases its context with the body.
type stopping struct {
	io.ReadCloser
	stop context.CancelFunc
}

// Close closes the body and releases the context.
func (s *stopping) Close() error {
	defer s.stop()
	return s.ReadCloser.Close()
}
