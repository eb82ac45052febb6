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

// Prompt is what a person has to do.
type Prompt struct {
	URL    string // to open in a browser
	Code   string // to compare or to type there; "" in the flow where the browser is on this machine
	Opened bool   // whether the browser was opened already
}

// Client signs in and out. Its fields are set before use.
type Client struct {
	Cache  Cache
	Now    func() time.Time
	Random io.Reader
	HTTP   *http.Client
	// Wait waits, or ends with the context.
	Wait func(ctx context.Context, d time.Duration) error
	// Open opens an address in the person's browser.
	Open func(ctx context.Context, url string) error
	// Show tells the person what to do.
	Show func(Prompt)
	// OIDCEndpoint and PortalEndpoint are elsewhere than AWS has them; "" for
	// AWS's own of the profile's region.
	OIDCEndpoint, PortalEndpoint string
}

// How says which way of signing in to take.
type How struct {
	NoBrowser bool // a code that is typed into a browser anywhere
	Again     bool // also when the session is still good
}

// Result is a session.
type Result struct {
	Until   time.Time
	Renewed bool // without asking anybody
	Kept    bool // it was good already
}

const clientName = "purser"

// defaultScope earns a token that lists and gets role credentials, and one that
// renews it.
const defaultScope = "sso:account:access"

// SignIn makes the session of a profile good: keeps one that is, renews one that
// can be, and asks the person otherwise. The error is a *credential.Fault, or
// the context's.
func (c *Client) SignIn(ctx context.Context, p Profile, how How) (Result, error) {
	state, until := c.Cache.State(p, c.Now())
	if !how.Again && state == SignedIn {
		return Result{Until: until, Kept: true}, nil
	}
	if !how.Again && state == Refreshable {
		if until, err := c.refresh(ctx, p); err == nil {
			return Result{Until: until, Renewed: true}, nil
		}
		// What cannot be renewed is asked for.
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

// ask takes the way that the AWS CLI takes: the browser on this machine for
// profiles with a session, a code for all else.
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

// register makes this program known to IAM Identity Center, as every client is.
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

// take puts what a grant gave into the token.
func (c *Client) take(t token, out *ssooidc.CreateTokenOutput) (token, error) {
	t.Access, t.Expires = credential.NewSecret(aws.ToString(out.AccessToken)), c.Now().Add(time.Duration(out.ExpiresIn)*time.Second)
	if refresh := aws.ToString(out.RefreshToken); refresh != "" {
		t.Refresh = credential.NewSecret(refresh)
	}
	if t.Access.IsZero() || out.ExpiresIn <= 0 {
		return token{}, errors.New("IAM Identity Center gave no token")
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

// firstPause is between two questions whether the person has agreed, where the
// service does not say (RFC 8628 section 3.2); slower is added when asked to.
const (
	firstPause = 5 * time.Second
	slower     = 5 * time.Second
)

// byCode is the device flow (RFC 8628): the person opens an address in any
// browser and compares a code.
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

// SignOut ends the session at AWS and removes it from the cache. Sessions of
// other start URLs are not touched.
func (c *Client) SignOut(ctx context.Context, p Profile) error {
	t, err := c.Cache.load(p)
	if err == nil && c.Now().Before(t.Expires) {
		// Best effort: what is removed here ends by itself there.
		_, _ = c.portal(p).Logout(ctx, &sso.LogoutInput{AccessToken: aws.String(t.Access.Reveal())})
	}
	return c.Cache.drop(p)
}

// Role is an assignment: a role in an account.
type Role struct{ Account, Name string }

// assignedLimit bounds how many roles are listed.
const assignedLimit = 50

// Assigned lists the roles that the signed-in person has.
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

// fault says why signing in failed, in words that lead somewhere.
func (c *Client) fault(ctx context.Context, p Profile, err error) error {
	if f, ok := errors.AsType[*credential.Fault](err); ok {
		return f
	}
	f := &credential.Fault{
		Reason: credential.NotSignedIn, SignIn: string(p.Kind), Target: credential.Target{Profile: p.Name},
		What: "signing in to " + p.StartURL + " did not succeed", Err: err,
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
		f.Why = "the code ran out before anybody agreed in the browser"
	case denied:
		f.Why = "it was refused in the browser"
	case invalid:
		f.Why = "IAM Identity Center knows no such start URL in " + p.SSORegion + "; sso_start_url or sso_region may be mistyped"
	case answered:
		f.Why = "AWS says: " + credential.Quote(strings.TrimSpace(api.ErrorCode()+": "+api.ErrorMessage()))
	default:
		f.Reason, f.Host = credential.StoreUnreachable, credential.HostOf(err)
		f.Why = "no answer from IAM Identity Center in " + p.SSORegion + ": " + credential.Unanswered(err, "SSL_CERT_FILE")
	}
	return f
}
