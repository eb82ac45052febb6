package wire

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"

	"purser/internal/awsaccount"
	"purser/internal/credential"
	"purser/internal/signin"
	"purser/internal/transport"
)

// Profiles returns AWS's configuration files.
func (w *Wire) Profiles() signin.Files {
	return signin.Files{Config: w.Env.AWSConfigPath(), Credentials: w.Env.AWSCredentialsPath()}
}

// ProfileName returns a target's profile, or the environment's; "": AWS's default.
func (w *Wire) ProfileName(t credential.Target) string {
	return cmp.Or(t.Profile, w.Env.AWSProfile)
}

// SignIn returns a client for IAM Identity Center.
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

// explain adds what purser knows about the caller's credentials to an AWS fault.
func (w *Wire) explain(ctx context.Context, f *credential.Fault) {
	if w.AWS != nil {
		return // a stand-in's answers need no explanation
	}
	d := awsaccount.Diagnosis{Env: w.Env, Now: w.Now, Assigned: w.SignIn(nil).Assigned}
	d.Explain(ctx, f)
}
