// Package awsaccount gets AWS credentials (credentials.go), and explains what is wrong if
// there are none: with the profile, the environment or the machine.
package awsaccount

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/signin"
)

// Diagnosis explains why AWS refuses the caller.
type Diagnosis struct {
	Env config.Environment
	Now func() time.Time
	// Assigned returns the roles that a person has.
	Assigned func(ctx context.Context, p signin.Profile) ([]signin.Role, error)
}

// Profiles returns AWS's configuration files.
func (d *Diagnosis) Profiles() signin.Files {
	return signin.Files{Config: d.Env.AWSConfigPath(), Credentials: d.Env.AWSCredentialsPath()}
}

// Explain adds what the profile and the machine show to a fault of AWS.
func (d *Diagnosis) Explain(ctx context.Context, f *credential.Fault) {
	if f.Reason != credential.NotSignedIn && f.Reason != credential.AccessDenied {
		return
	}
	var code string
	if api, ok := errors.AsType[smithy.APIError](f.Err); ok {
		code = api.ErrorCode()
	}
	if d.Env.HasAWSCredentials() {
		if f.Reason == credential.NotSignedIn {
			d.explainEnvironment(f)
		}
		return
	}
	p, err := d.Profiles().Profile(cmp.Or(f.Target.Profile, d.Env.AWSProfile))
	if err != nil {
		return
	}
	f.Target.Profile, f.SignIn = p.Name, string(p.Kind)
	switch {
	case code == "ForbiddenException" && p.SSO():
		d.explainAssignment(ctx, f, p)
	case f.Reason != credential.NotSignedIn:
	case p.SSO():
		d.explainSession(f, p)
	case p.Kind == signin.KindNone:
		f.SignIn = "machine"
		f.Why = d.explainMachine(f)
	case p.Kind == signin.KindWebIdentity:
		f.Why = "the profile exchanges the token in " + p.Source + ", which " + fileState(p.Source)
	case p.Kind == signin.KindProcess:
		f.Why = "the credential_process at " + p.At + " returned no credentials"
	case p.Kind == signin.KindRole:
		f.Why = "the profile could not assume its role with " + p.Source + "; " + f.Why
	case p.Kind == signin.KindStatic:
		f.Why = "AWS refused the profile's access keys (" + p.At + "); " + f.Why
	}
}

func (d *Diagnosis) explainSession(f *credential.Fault, p signin.Profile) {
	cache := signin.Cache{Dir: d.Env.SSOCacheDir()}
	state, until := cache.State(p, d.Now())
	switch state {
	case signin.Broken:
		f.Why = "the session in " + cache.Path(p) + " cannot be read; signing in again replaces it"
	case signin.SignedIn:
		f.Why = "AWS ended the session for " + p.StartURL
	case signin.Never:
		f.Why = "nobody has signed in to " + p.StartURL + " on this machine"
	case signin.Expired, signin.Refreshable:
		f.Why = fmt.Sprintf("the session for %s expired at %s", p.StartURL, until.Local().Format("2006-01-02 15:04"))
	}
}

const assignedShown = 5

func (d *Diagnosis) explainAssignment(ctx context.Context, f *credential.Fault, p signin.Profile) {
	f.SignIn = credential.NotAssigned
	f.What = "the role " + credential.Quote(p.Role) + " in account " + credential.Quote(p.Account) + " is not assigned to you"
	f.Why = "the profile names it at " + p.At
	roles, err := d.Assigned(ctx, p)
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
	f.Why += "; you have " + strings.Join(names, ", ")
}

func (d *Diagnosis) explainEnvironment(f *credential.Fault) {
	switch {
	case d.Env.AWSAccessKey:
		f.SignIn, f.Why = "environment", "AWS refused the access key in AWS_ACCESS_KEY_ID; "+f.Why
	case d.Env.AWSWebIdentity:
		f.SignIn, f.Why = string(signin.KindWebIdentity), "AWS did not accept the token in AWS_WEB_IDENTITY_TOKEN_FILE; "+f.Why
	default:
		f.SignIn, f.Why = "container", "the container's credentials endpoint (AWS_CONTAINER_CREDENTIALS_…) returned no credentials"
	}
}

func (d *Diagnosis) explainMachine(f *credential.Fault) string {
	endpoint := d.Env.AWSMetadataEndpoint
	if endpoint == "" {
		endpoint = "http://169.254.169.254"
	}
	answer, answered := errors.AsType[*smithyhttp.ResponseError](f.Err)
	timeout, waited := errors.AsType[net.Error](f.Err)
	none := "no profile, no variable and no file has credentials"
	switch {
	case d.Env.AWSMetadataDisabled:
		return none + ", and the machine's metadata service is switched off (AWS_EC2_METADATA_DISABLED)"
	case errors.Is(f.Err, context.DeadlineExceeded) || waited && timeout.Timeout():
		return none + ", and the metadata service at " + endpoint + " does not answer: this is not an EC2 instance, or a container on one whose hop limit is 1"
	case answered && answer.HTTPStatusCode() == http.StatusNotFound:
		return none + ", and this EC2 instance has no instance role"
	}
	return none + ", and there is no metadata service at " + endpoint
}

func fileState(path string) string {
	if _, err := os.Stat(path); err != nil {
		return "is missing or unreadable"
	}
	return "AWS refused"
}
