package wire

import (
	"context"
	"crypto/rand"
	"time"

	"purser/internal/awsaccount"
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
		Cache: signin.Cache{Dir: w.Env.SSOCacheDir()}, Now: w.Now, Random: rand.Reader, Show: show, Open: w.openAddress, Wait: wait,
		HTTP:         w.awsHTTP(transport.New(nil)),
		OIDCEndpoint: w.Env.AWSEndpointURLSSOOIDC, PortalEndpoint: w.Env.AWSEndpointURLSSO,
	}
}

func wait(ctx context.Context, d time.Duration) error {
	return credential.Wait(ctx, d, "waiting")
}

// explain adds to a fault of AWS what is known of the caller's credentials.
func (w *Wire) explain(ctx context.Context, f *credential.Fault) {
	if w.AWS != nil {
		return // a stand-in's answers explain themselves
	}
	d := awsaccount.Diagnosis{Env: w.Env, Now: w.Now, Assigned: w.SignIn(nil).Assigned}
	d.Explain(ctx, f)
}
