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

// Once keeps a failure to get credentials from being tried again by every call: what gets
// them has tried already, and a person waits. Its error is a *credential.Unsigned.
type Once struct{ aws.CredentialsProvider }

// Retrieve gets credentials.
func (o Once) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := o.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = &credential.Unsigned{Err: err}
	}
	return c, err
}

// metadataLimit is how long the metadata service of an instance may take in all.
// Where there is none, and where a container is one hop too far away, it never
// answers.
const metadataLimit = time.Second

// InstanceRole asks the metadata service with that limit.
func InstanceRole(env config.Environment) awsconfig.LoadOptionsFunc {
	o := imds.Options{
		Endpoint: env.AWSMetadataEndpoint, HTTPClient: &http.Client{Transport: &deadline{next: http.DefaultTransport}}, Retryer: aws.NopRetryer{},
	}
	if env.AWSMetadataDisabled {
		o.ClientEnableState = imds.ClientDisabled
	}
	return awsconfig.WithEC2RoleCredentialOptions(func(role *ec2rolecreds.Options) { role.Client = imds.New(o) })
}

// ContainerRole asks the credentials endpoint of a container, twice for a second
// at most: the SDK would wait for one that never answers for as long as it takes.
func ContainerRole() awsconfig.LoadOptionsFunc {
	return awsconfig.WithEndpointCredentialOptions(func(o *endpointcreds.Options) {
		o.Retryer = retry.NewStandard(func(s *retry.StandardOptions) { s.MaxAttempts, s.MaxBackoff = 2, 100*time.Millisecond })
		o.HTTPClient = &http.Client{Transport: http.DefaultTransport, Timeout: metadataLimit}
	})
}

// deadline limits each request to half: the first is for a token, the second
// takes place only when the first was answered or the service has no tokens.
type deadline struct {
	next http.RoundTripper
	dead atomic.Bool // it did not answer once; it is not waited for again
}

// RoundTrip sends one request.
func (d *deadline) RoundTrip(r *http.Request) (*http.Response, error) {
	if d.dead.Load() {
		return nil, context.DeadlineExceeded
	}
	ctx, stop := context.WithTimeout(r.Context(), metadataLimit/2) // the token, and what is asked for with it
	resp, err := d.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		d.dead.Store(ctx.Err() != nil && r.Context().Err() == nil)
		stop()
		return nil, err
	}
	resp.Body = &stopping{resp.Body, stop}
	return resp, nil
}

// stopping ends its limit with the body.
type stopping struct {
	io.ReadCloser
	stop context.CancelFunc
}

// Close ends both.
func (s *stopping) Close() error {
	defer s.stop()
	return s.ReadCloser.Close()
}
