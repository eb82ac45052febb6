package signin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssooidc"

	"purser/internal/credential"
)

// redirectPath is where the browser returns. The client registers it without a port, as RFC 8252
// section 7.3 allows for loopback.
const redirectPath = "/oauth/callback"

// browserLimit is how long a person may take. AWS's page is valid as long.
const browserLimit = 10 * time.Minute

// back is the browser's answer.
type back struct {
	code credential.Secret
	err  error
}

// byBrowser runs the authorization code flow with PKCE (RFC 7636). The browser returns to a local port.
func (c *Client) byBrowser(ctx context.Context, p Profile) (token, error) {
	ctx, stop := context.WithTimeout(ctx, browserLimit)
	defer stop()
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return c.byCode(ctx, p, true) // no port to return to
	}
	defer func() { _ = l.Close() }()
	state, err := c.random()
	if err != nil {
		return token{}, err
	}
	verifier, err := c.random()
	if err != nil {
		return token{}, err
	}
	t, err := c.register(ctx, p, &ssooidc.RegisterClientInput{
		GrantTypes:   []string{"authorization_code", "refresh_token"},
		RedirectUris: []string{"http://127.0.0.1" + redirectPath}, IssuerUrl: &p.StartURL,
	})
	if err != nil {
		return token{}, err
	}
	redirect := "http://" + l.Addr().String() + redirectPath
	address := c.authorizeURL(p, t, redirect, state, verifier)
	came := make(chan back, 1)
	server := &http.Server{Handler: callback(l.Addr().String(), state, came), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }() // ends with the listener
	defer func() { _ = server.Close() }()
	if c.Open(ctx, address) != nil {
		return c.byCode(ctx, p, false) // a browser elsewhere could not come back to this machine
	}
	c.Show(Prompt{URL: address, Opened: true})
	var b back
	select {
	case <-ctx.Done():
		return token{}, ctx.Err()
	case b = <-came:
	}
	if b.err != nil {
		return token{}, b.err
	}
	out, err := c.oidc(p).CreateToken(ctx, &ssooidc.CreateTokenInput{
		ClientId: &t.ClientID, ClientSecret: aws.String(t.ClientSecret.Reveal()), GrantType: aws.String("authorization_code"),
		Code: aws.String(b.code.Reveal()), RedirectUri: &redirect, CodeVerifier: aws.String(verifier.Reveal()),
	})
	if err != nil {
		return token{}, err
	}
	return c.take(t, out)
}

// random returns 256 bits in the alphabet of a PKCE verifier.
func (c *Client) random() (credential.Secret, error) {
	var raw [32]byte
	if _, err := io.ReadFull(c.Random, raw[:]); err != nil {
		return credential.Secret{}, fmt.Errorf("generate a random number: %w", err)
	}
	return credential.NewSecret(base64.RawURLEncoding.EncodeToString(raw[:])), nil
}

// authorizeURL is the address of AWS's page. It contains no secret: state works once, at this listener,
// and the challenge is a hash.
func (c *Client) authorizeURL(p Profile, t token, redirect string, state, verifier credential.Secret) string {
	challenge := sha256.Sum256([]byte(verifier.Reveal()))
	base := cmp.Or(c.OIDCEndpoint, "https://oidc."+p.SSORegion+".amazonaws.com")
	q := url.Values{
		"response_type": {"code"}, "client_id": {t.ClientID}, "redirect_uri": {redirect}, "state": {state.Reveal()},
		"code_challenge_method": {"S256"}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"scopes": {strings.Join(p.scopes(), " ")},
	}
	return strings.TrimSuffix(base, "/") + "/authorize?" + q.Encode()
}

// callback accepts the browser's return, once. A different Host header means that another site's page
// was pointed at this port.
func callback(host string, state credential.Secret, came chan<- back) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("Content-Type", "text/html; charset=utf-8")
		q := r.URL.Query()
		if r.Host != host || r.URL.Path != redirectPath || r.Method != http.MethodGet ||
			subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state.Reveal())) != 1 {
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, page("Nothing here", "This address accepts one answer from IAM Identity Center."))
			return
		}
		b := back{code: credential.NewSecret(q.Get("code"))}
		title, text := "Signed in", "purser continues in the terminal. You can close this page."
		if problem := q.Get("error"); problem != "" || b.code.IsZero() {
			b.err = &credential.Fault{
				Reason: credential.NotSignedIn, What: "signing in failed", Why: "IAM Identity Center answered: " + credential.Quote(problem),
				Err: errors.New("the browser returned without a code"),
			}
			title, text = "Not signed in", "Nothing was changed. You can close this page."
		}
		_, _ = io.WriteString(w, page(title, text))
		select {
		case came <- b:
		default: // it works once
		}
	})
}

func page(title, text string) string {
	return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>` + title +
		` · purser</title><style>:root{color-scheme:light dark}body{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:20vh auto;padding:0 1rem}</style><h1>` +
		title + `</h1><p>` + text + `</p></html>`
}
