package wire

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/signin"
	"purser/internal/transport"
)

// Profiles are AWS's configuration files.
func (w *Wire) Profiles() signin.Files {
	return signin.Files{Config: w.Env.AWSConfigPath(), Credentials: w.Env.AWSCredentialsPath()}
}

// ProfileName is the profile that a target is kept with: its own, else the
// environment's; "" for AWS's default.
func (w *Wire) ProfileName(t credential.Target) string {
	if t.Profile != "" {
		return t.Profile
	}
	return w.Env.AWSProfile
}

// SignIn makes a client that signs in to IAM Identity Center.
func (w *Wire) SignIn(show func(signin.Prompt)) *signin.Client {
	return &signin.Client{
		Cache: signin.Cache{Dir: w.Env.SSOCacheDir()}, Now: w.Now, Random: rand.Reader, Show: show, Open: openAddress, Wait: wait,
		HTTP:         &http.Client{Transport: w.traced(transport.Guard(transport.New(nil))), Timeout: awsTimeout},
		OIDCEndpoint: w.Env.AWSEndpointURLSSOOIDC, PortalEndpoint: w.Env.AWSEndpointURLSSO,
	}
}

func wait(ctx context.Context, d time.Duration) error {
	return credential.Wait(ctx, d, "waiting")
}

// once keeps a failure to get credentials from being tried again by every call:
// what gets them has tried already, and a person waits.
type once struct{ aws.CredentialsProvider }

// Retrieve gets credentials.
func (o once) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := o.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = &finalError{err}
	}
	return c, err
}

// finalError is one that the SDK does not take for a connection to try again.
type finalError struct{ error }

// RetryableError tells the SDK so.
func (*finalError) RetryableError() bool { return false }

// Unwrap gives the cause.
func (e *finalError) Unwrap() error { return e.error }

// metadataLimit is how long the metadata service of an instance may take in all.
// Where there is none, and where a container is one hop too far away, it never
// answers.
const metadataLimit = time.Second

// instanceRole asks the metadata service with that limit.
func instanceRole(env config.Environment) awsconfig.LoadOptionsFunc {
	o := imds.Options{
		Endpoint: env.AWSMetadataEndpoint, HTTPClient: &http.Client{Transport: &deadline{next: http.DefaultTransport}}, Retryer: aws.NopRetryer{},
	}
	if env.AWSMetadataDisabled {
		o.ClientEnableState = imds.ClientDisabled
	}
	return awsconfig.WithEC2RoleCredentialOptions(func(role *ec2rolecreds.Options) { role.Client = imds.New(o) })
}

// containerRole asks the credentials endpoint of a container, twice for a second
// at most: the SDK would wait for one that never answers for as long as it takes.
func containerRole() awsconfig.LoadOptionsFunc {
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

// explain adds to a fault of AWS what the profile and the machine tell about it.
func (w *Wire) explain(ctx context.Context, f *credential.Fault) {
	if w.AWS != nil || f.Reason != credential.NotSignedIn && f.Reason != credential.AccessDenied {
		return
	}
	var code string
	if api, ok := errors.AsType[smithy.APIError](f.Err); ok {
		code = api.ErrorCode()
	}
	if w.Env.HasAWSCredentials() {
		if f.Reason == credential.NotSignedIn {
			w.explainEnvironment(f)
		}
		return
	}
	p, err := w.Profiles().Profile(w.ProfileName(f.Target))
	if err != nil {
		return
	}
	f.Target.Profile, f.SignIn = p.Name, string(p.Kind)
	switch {
	case code == "ForbiddenException" && p.SSO():
		w.explainAssignment(ctx, f, p)
	case f.Reason != credential.NotSignedIn:
	case p.SSO():
		w.explainSession(f, p)
	case p.Kind == signin.KindNone:
		f.SignIn = "machine"
		f.Why = w.explainMachine(f)
	case p.Kind == signin.KindWebIdentity:
		f.Why = "the profile exchanges the token in " + p.Source + ": " + fileState(p.Source)
	case p.Kind == signin.KindProcess:
		f.Why = "the program that " + p.At + " names as credential_process gave no credentials"
	case p.Kind == signin.KindRole:
		f.Why = "the profile assumes a role with " + p.Source + ", which did not succeed; " + f.Why
	case p.Kind == signin.KindStatic:
		f.Why = "AWS does not take the access keys of the profile (" + p.At + "); " + f.Why
	}
}

func (w *Wire) explainSession(f *credential.Fault, p signin.Profile) {
	cache := signin.Cache{Dir: w.Env.SSOCacheDir()}
	state, until := cache.State(p, w.Now())
	switch state {
	case signin.Broken:
		f.Why = "the session in " + cache.Path(p) + " cannot be read; signing in again replaces it"
	case signin.SignedIn:
		f.Why = "AWS has ended the session of " + p.StartURL
	case signin.Never:
		f.Why = "nobody has signed in to " + p.StartURL + " on this machine"
	case signin.Expired, signin.Refreshable:
		f.Why = fmt.Sprintf("the session of %s ended at %s", p.StartURL, until.Local().Format("2006-01-02 15:04"))
	}
}

// assignedShown is how many roles are named.
const assignedShown = 5

func (w *Wire) explainAssignment(ctx context.Context, f *credential.Fault, p signin.Profile) {
	f.SignIn = credential.NotAssigned
	f.What = "the role " + credential.Quote(p.Role) + " in account " + credential.Quote(p.Account) + " is not assigned to you"
	f.Why = "the profile names it at " + p.At
	roles, err := w.SignIn(nil).Assigned(ctx, p)
	if err != nil || len(roles) == 0 {
		return
	}
	var names []string
	for _, r := range roles {
		if len(names) == assignedShown {
			names = append(names, "…")
			break
		}
		names = append(names, credential.Quote(r.Account+" "+r.Name))
	}
	f.Why += "; assigned are " + strings.Join(names, ", ")
}

func (w *Wire) explainEnvironment(f *credential.Fault) {
	switch {
	case w.Env.AWSAccessKey:
		f.SignIn, f.Why = "environment", "the access key of AWS_ACCESS_KEY_ID is not taken; "+f.Why
	case w.Env.AWSWebIdentity:
		f.SignIn, f.Why = string(signin.KindWebIdentity), "the token that AWS_WEB_IDENTITY_TOKEN_FILE names could not be exchanged; "+f.Why
	default:
		f.SignIn, f.Why = "container", "the container's credentials endpoint (AWS_CONTAINER_CREDENTIALS_…) gave none"
	}
}

func (w *Wire) explainMachine(f *credential.Fault) string {
	endpoint := w.Env.AWSMetadataEndpoint
	if endpoint == "" {
		endpoint = "http://169.254.169.254"
	}
	text := ""
	if f.Err != nil {
		text = f.Err.Error()
	}
	none := "no profile, no variable and no file has credentials"
	switch {
	case w.Env.AWSMetadataDisabled || strings.Contains(text, "disabled"):
		return none + ", and the machine's metadata service is switched off (AWS_EC2_METADATA_DISABLED)"
	case strings.Contains(text, "deadline exceeded") || strings.Contains(text, "Timeout"):
		return none + ", and the metadata service at " + endpoint + " does not answer: this is no EC2 instance, or a container on one whose hop limit is 1"
	case strings.Contains(text, "StatusCode: 404"):
		return none + ", and this EC2 instance has no instance role"
	}
	return none + ", and there is no metadata service at " + endpoint
}

func fileState(path string) string {
	if _, err := os.Stat(path); err != nil {
		return "it is not there, or cannot be read"
	}
	return "AWS does not take it"
}
