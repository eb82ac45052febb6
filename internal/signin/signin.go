package signin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sso"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc/types"
	"github.com/aws/smithy-go"

	"purser/internal/credential"
)

// Prompt is what a person must do.
type Prompt struct {
	URL    string // to open in a browser
	Code   string // to compare or type there; "" with a browser on this machine
	Opened bool   // the browser is open
}

// Client signs in and out. Its fields are set before use.
type Client struct {
	Cache  Cache
	Now    func() time.Time
	Random io.Reader
	HTTP   *http.Client
	// Wait waits, or returns the context's error.
	Wait func(ctx context.Context, d time.Duration) error
	// Open opens a URL in the person's browser.
	Open func(ctx context.Context, url string) error
	// Show tells the person what to do.
	Show func(Prompt)
	// OIDCEndpoint and PortalEndpoint replace AWS's endpoints in the profile's region; "": AWS's.
	OIDCEndpoint, PortalEndpoint string
}

// How chooses how to sign in.
type How struct {
	NoBrowser bool // show a code for a browser on any machine
	Again     bool // even if the session is still valid
}

// Result is a session.
type Result struct {
	Until   time.Time
	Renewed bool // without a person
	Kept    bool // still valid
}

const clientName = "purser"

// defaultScope allows listing roles, getting their credentials, and renewing the token.
const defaultScope = "sso:account:access"

// SignIn returns a valid session: it keeps or renews the current one, or asks the person. The error is
// a *credential.Fault, or the context's.
func (c *Client) SignIn(ctx context.Context, p Profile, how How) (Result, error) {
	state, until := c.Cache.State(p, c.Now())
	if !how.Again && state == SignedIn {
		return Result{Until: until, Kept: true}, nil
	}
	if !how.Again && state == Refreshable {
		if until, err := c.refresh(ctx, p); err == nil {
			return Result{Until: until, Renewed: true}, nil
		}
		// If renewing fails, ask the person.
	}
	t, err := c.ask(ctx, p, how)
	if err != nil {
		return Result{}, c.fault(ctx, p, err)
	}
	if err := c.Cache.save(p, t); err != nil {
		return Result{}, err
	}
	return Result{Until: t.Expires}, nil
}

// ask signs in like the AWS CLI: with the browser on this machine for profiles with a session, with a
// code for others.
func (c *Client) ask(ctx context.Context, p Profile, how How) (token, error) {
	if how.NoBrowser || p.Kind == KindLegacy {
		return c.byCode(ctx, p, !how.NoBrowser)
	}
	return c.byBrowser(ctx, p)
}

func (c *Client) oidc(p Profile) *ssooidc.Client {
	return ssooidc.New(ssooidc.Options{Region: p.SSORegion, HTTPClient: c.HTTP, BaseEndpoint: endpoint(c.OIDCEndpoint), RetryMaxAttempts: attempts})
}

func (c *Client) portal(p Profile) *sso.Client {
	return sso.New(sso.Options{Region: p.SSORegion, HTTPClient: c.HTTP, BaseEndpoint: endpoint(c.PortalEndpoint), RetryMaxAttempts: attempts})
}

const attempts = 2

func endpoint(url string) *string {
	if url == "" {
		return nil
	}
	return &url
}

func (p Profile) scopes() []string {
	if len(p.Scopes) > 0 {
		return p.Scopes
	}
	return []string{defaultScope}
}

// register registers purser as a client of IAM Identity Center.
func (c *Client) register(ctx context.Context, p Profile, in *ssooidc.RegisterClientInput) (token, error) {
	in.ClientName, in.ClientType, in.Scopes = aws.String(clientName), aws.String("public"), p.scopes()
	out, err := c.oidc(p).RegisterClient(ctx, in)
	if err != nil {
		return token{}, err
	}
	return token{
		StartURL: p.StartURL, Region: p.SSORegion,
		ClientID: aws.ToString(out.ClientId), ClientSecret: credential.NewSecret(aws.ToString(out.ClientSecret)),
		RegistrationExpires: time.Unix(out.ClientSecretExpiresAt, 0),
	}, nil
}

// take copies a grant into the token.
func (c *Client) take(t token, out *ssooidc.CreateTokenOutput) (token, error) {
	t.Access, t.Expires = credential.NewSecret(aws.ToString(out.AccessToken)), c.Now().Add(time.Duration(out.ExpiresIn)*time.Second)
	if refresh := aws.ToString(out.RefreshToken); refresh != "" {
		t.Refresh = credential.NewSecret(refresh)
	}
	if t.Access.IsZero() || out.ExpiresIn <= 0 {
		return token{}, errors.New("IAM Identity Center sent no token")
	}
	return t, nil
}

// refresh renews a session with its refresh token.
func (c *Client) refresh(ctx context.Context, p Profile) (time.Time, error) {
	t, err := c.Cache.load(p)
	if err != nil {
		return time.Time{}, err
	}
	out, err := c.oidc(p).CreateToken(ctx, &ssooidc.CreateTokenInput{
		ClientId: &t.ClientID, ClientSecret: aws.String(t.ClientSecret.Reveal()),
		GrantType: aws.String("refresh_token"), RefreshToken: aws.String(t.Refresh.Reveal()),
	})
	if err != nil {
		return time.Time{}, err
	}
	if t, err = c.take(t, out); err != nil {
		return time.Time{}, err
	}
	return t.Expires, c.Cache.save(p, t)
}

// firstPause is the polling interval if the service gives none (RFC 8628 section 3.2). slower is added
// at each slow_down.
const (
	firstPause = 5 * time.Second
	slower     = 5 * time.Second
)

// byCode runs the device flow (RFC 8628): the person opens a URL in any browser and compares a code.
func (c *Client) byCode(ctx context.Context, p Profile, open bool) (token, error) {
	t, err := c.register(ctx, p, &ssooidc.RegisterClientInput{})
	if err != nil {
		return token{}, err
	}
	device, err := c.oidc(p).StartDeviceAuthorization(ctx, &ssooidc.StartDeviceAuthorizationInput{
		ClientId: &t.ClientID, ClientSecret: aws.String(t.ClientSecret.Reveal()), StartUrl: &p.StartURL,
	})
	if err != nil {
		return token{}, err
	}
	prompt := Prompt{URL: aws.ToString(device.VerificationUriComplete), Code: aws.ToString(device.UserCode)}
	prompt.Opened = open && c.Open(ctx, prompt.URL) == nil
	c.Show(prompt)
	pause := time.Duration(device.Interval) * time.Second
	if pause <= 0 {
		pause = firstPause
	}
	for {
		out, err := c.oidc(p).CreateToken(ctx, &ssooidc.CreateTokenInput{
			ClientId: &t.ClientID, ClientSecret: aws.String(t.ClientSecret.Reveal()), DeviceCode: device.DeviceCode,
			GrantType: aws.String("urn:ietf:params:oauth:grant-type:device_code"),
		})
		if err == nil {
			return c.take(t, out)
		}
		_, pending := errors.AsType[*types.AuthorizationPendingException](err)
		_, slow := errors.AsType[*types.SlowDownException](err)
		if !pending && !slow {
			return token{}, err
		}
		if slow {
			pause += slower
		}
		if err := c.Wait(ctx, pause); err != nil {
			return token{}, err
		}
	}
}

// SignOut ends the session at AWS and removes it from the cache. Sessions of other start URLs stay.
func (c *Client) SignOut(ctx context.Context, p Profile) error {
	t, err := c.Cache.load(p)
	if err == nil && c.Now().Before(t.Expires) {
		// Best effort: AWS's session expires anyway.
		_, _ = c.portal(p).Logout(ctx, &sso.LogoutInput{AccessToken: aws.String(t.Access.Reveal())})
	}
	return c.Cache.drop(p)
}

// Role is an assignment: a role in an account.
type Role struct{ Account, Name string }

// assignedLimit is the number of roles after which Assigned stops.
const assignedLimit = 50

// Assigned lists the signed-in person's roles.
func (c *Client) Assigned(ctx context.Context, p Profile) ([]Role, error) {
	t, err := c.Cache.load(p)
	if err != nil {
		return nil, err
	}
	access := aws.String(t.Access.Reveal())
	accounts, err := c.portal(p).ListAccounts(ctx, &sso.ListAccountsInput{AccessToken: access})
	if err != nil {
		return nil, err
	}
	var roles []Role
	for _, account := range accounts.AccountList {
		out, err := c.portal(p).ListAccountRoles(ctx, &sso.ListAccountRolesInput{AccessToken: access, AccountId: account.AccountId})
		if err != nil {
			return nil, err
		}
		for _, r := range out.RoleList {
			roles = append(roles, Role{aws.ToString(account.AccountId), aws.ToString(r.RoleName)})
		}
		if len(roles) >= assignedLimit {
			break
		}
	}
	slices.SortFunc(roles, func(a, b Role) int { return strings.Compare(a.Account+a.Name, b.Account+b.Name) })
	return roles, nil
}

// fault explains why signing in failed.
func (c *Client) fault(ctx context.Context, p Profile, err error) error {
	if f, ok := errors.AsType[*credential.Fault](err); ok {
		return f
	}
	f := &credential.Fault{
		Reason: credential.NotSignedIn, SignIn: string(p.Kind), Target: credential.Target{Profile: p.Name},
		What: "signing in to " + p.StartURL + " failed", Err: err,
	}
	if ended := credential.Ended(ctx, "signing in to AWS"); ended != nil {
		return ended
	}
	_, expired := errors.AsType[*types.ExpiredTokenException](err)
	_, denied := errors.AsType[*types.AccessDeniedException](err)
	_, invalid := errors.AsType[*types.InvalidRequestException](err)
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		f.Why = "nobody agreed in the browser in time"
	case ctx.Err() != nil:
		f.Why = "interrupted"
	case expired:
		f.Why = "the code expired before anybody agreed in the browser"
	case denied:
		f.Why = "it was refused in the browser"
	case invalid:
		f.Why = "IAM Identity Center does not know this start URL in " + p.SSORegion + "; sso_start_url or sso_region may be mistyped"
	case answered:
		f.Why = "AWS says: " + credential.Quote(strings.TrimSpace(api.ErrorCode()+": "+api.ErrorMessage()))
	default:
		f.Reason, f.Host = credential.StoreUnreachable, credential.HostOf(err)
		f.Why = "no answer from IAM Identity Center in " + p.SSORegion + ": " + credential.Unanswered(err, "SSL_CERT_FILE")
	}
	return f
}
