package aws

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"purser/internal/credential"
)

// IdentityCenter is a stand-in for IAM Identity Center's sign-in: the OpenID Connect service with
// its page, and the portal that lists roles and issues their credentials. Opening the page is
// enough to agree.
type IdentityCenter struct {
	// Roles lists the person's role names by account id.
	Roles map[string][]string
	// Agreed approves every device code without a browser.
	Agreed bool
	// Life is the lifetime of a session.
	Life time.Duration

	now    func() time.Time
	random io.Reader
	Issued func(credential.Secret) // receives the random part of every secret; may be nil

	mu      sync.Mutex // guards what follows
	clients map[string]bool
	codes   map[string]string // authorization code to PKCE challenge
	devices map[string]bool   // approval by device code
	access  map[string]time.Time
	refresh map[string]bool
	answers []string // pending errors of the token endpoint
	deny    bool     // the page refuses
}

// NewIdentityCenter makes one with the example's account and roles.
func NewIdentityCenter(now func() time.Time, random io.Reader) *IdentityCenter {
	return &IdentityCenter{
		Roles: map[string][]string{"123456789012": {"AdministratorAccess", "ReadOnlyAccess"}}, Life: time.Hour,
		now: now, random: random, clients: map[string]bool{}, codes: map[string]string{}, devices: map[string]bool{},
		access: map[string]time.Time{}, refresh: map[string]bool{},
	}
}

// Answer makes the next token requests fail with these errors, in order: authorization_pending,
// slow_down, access_denied, expired_token, invalid_grant.
func (c *IdentityCenter) Answer(errors ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers = errors
}

// Deny makes the page refuse.
func (c *IdentityCenter) Deny(deny bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deny = deny
}

// End ends all sessions, as an administrator can. With also, it deletes the refresh tokens too.
func (c *IdentityCenter) End(also bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.access)
	if also {
		clear(c.refresh)
	}
}

// ServeHTTP serves the OpenID Connect service and the portal.
func (c *IdentityCenter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "POST /client/register":
		id := c.text("client-")
		c.clients[id] = true
		idcAnswer(w, map[string]any{"clientId": id, "clientSecret": c.text("FAKE-client-secret-"), "clientSecretExpiresAt": c.now().Add(90 * 24 * time.Hour).Unix()})
	case "POST /device_authorization":
		code := c.text("FAKE-device-")
		c.devices[code] = c.Agreed
		page := "http://" + r.Host + "/device?user_code=FAKE-CODE"
		if r.TLS != nil {
			page = "https" + page[len("http"):]
		}
		idcAnswer(w, map[string]any{"deviceCode": code, "userCode": "FAKE-CODE", "verificationUri": page, "verificationUriComplete": page, "expiresIn": 600, "interval": 1})
	case "GET /device":
		for code := range c.devices { // they share one user code
			c.devices[code] = !c.deny
		}
		_, _ = io.WriteString(w, "Request approved")
	case "GET /authorize":
		c.authorize(w, r)
	case "POST /token":
		c.token(w, r)
	case "GET /federation/credentials", "GET /assignment/accounts", "GET /assignment/roles", "POST /logout":
		c.portal(w, r)
	default:
		idcError(w, http.StatusNotFound, "UnknownOperationException", "unknown", "the stand-in does not have this operation")
	}
}

func idcAnswer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func idcError(w http.ResponseWriter, status int, kind, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": text, "message": text})
}

func (c *IdentityCenter) text(prefix string) string {
	var b [24]byte
	if _, err := io.ReadFull(c.random, b[:]); err != nil {
		panic(err) // crypto/rand does not fail
	}
	text := base64.RawURLEncoding.EncodeToString(b[:])
	if c.Issued != nil && strings.HasPrefix(prefix, "FAKE") {
		c.Issued(credential.NewSecret(text))
	}
	return prefix + text
}

// authorize is the page of the authorization code flow. It agrees at once.
func (c *IdentityCenter) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	to, err := url.Parse(q.Get("redirect_uri"))
	if err != nil || !c.clients[q.Get("client_id")] || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" || q.Get("scopes") == "" {
		idcError(w, http.StatusBadRequest, "InvalidRequestException", "invalid_request", "the request is incomplete")
		return
	}
	answer := url.Values{"state": {q.Get("state")}}
	if c.deny {
		answer.Set("error", "access_denied")
	} else {
		code := c.text("FAKE-code-")
		c.codes[code] = q.Get("code_challenge")
		answer.Set("code", code)
	}
	to.RawQuery = answer.Encode()
	http.Redirect(w, r, to.String(), http.StatusFound) //nolint:gosec // the protocol redirects to the client's address; on loopback
}

// idcErrors maps OAuth error codes to the service's exception names.
var idcErrors = map[string]string{
	"authorization_pending": "AuthorizationPendingException", "slow_down": "SlowDownException", "access_denied": "AccessDeniedException",
	"expired_token": "ExpiredTokenException", "invalid_grant": "InvalidGrantException",
}

func (c *IdentityCenter) token(w http.ResponseWriter, r *http.Request) {
	var in struct{ ClientID, GrantType, DeviceCode, Code, CodeVerifier, RefreshToken string }
	if err := json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&in); err != nil {
		idcError(w, http.StatusBadRequest, "InvalidRequestException", "invalid_request", "the body is not JSON")
		return
	}
	refuse := func(code string) { idcError(w, http.StatusBadRequest, idcErrors[code], code, code) }
	if len(c.answers) > 0 {
		code := c.answers[0]
		c.answers = c.answers[1:]
		refuse(code)
		return
	}
	good := false
	switch in.GrantType {
	case "authorization_code":
		sum := sha256.Sum256([]byte(in.CodeVerifier))
		challenge, known := c.codes[in.Code]
		good = known && challenge == base64.RawURLEncoding.EncodeToString(sum[:])
		delete(c.codes, in.Code) // codes work once
	case "refresh_token":
		good = c.refresh[in.RefreshToken]
	case "urn:ietf:params:oauth:grant-type:device_code":
		agreed, known := c.devices[in.DeviceCode]
		if known && !agreed {
			refuse(map[bool]string{true: "access_denied", false: "authorization_pending"}[c.deny])
			return
		}
		good = known
	}
	if !good || !c.clients[in.ClientID] {
		refuse("invalid_grant")
		return
	}
	access, refresh := c.text("FAKE-access-"), c.text("FAKE-refresh-")
	c.access[access], c.refresh[refresh] = c.now().Add(c.Life), true
	idcAnswer(w, map[string]any{"accessToken": access, "expiresIn": int(c.Life / time.Second), "refreshToken": refresh, "tokenType": "Bearer"})
}

func (c *IdentityCenter) portal(w http.ResponseWriter, r *http.Request) {
	bearer := r.Header.Get("X-Amz-Sso_bearer_token")
	if until, known := c.access[bearer]; !known || !c.now().Before(until) {
		idcError(w, http.StatusUnauthorized, "UnauthorizedException", "unauthorized", "Session token not found or invalid")
		return
	}
	account := r.URL.Query().Get("account_id")
	switch r.URL.Path {
	case "/logout":
		delete(c.access, bearer)
		w.WriteHeader(http.StatusOK)
	case "/assignment/accounts":
		list := []map[string]string{}
		for id := range c.Roles {
			list = append(list, map[string]string{"accountId": id, "accountName": "mockserver"})
		}
		idcAnswer(w, map[string]any{"accountList": list})
	case "/assignment/roles":
		list := []map[string]string{}
		for _, role := range c.Roles[account] {
			list = append(list, map[string]string{"accountId": account, "roleName": role})
		}
		idcAnswer(w, map[string]any{"roleList": list})
	default:
		for _, role := range c.Roles[account] {
			if role == r.URL.Query().Get("role_name") {
				idcAnswer(w, map[string]any{"roleCredentials": map[string]any{
					"accessKeyId": "SANDBOX", "secretAccessKey": "SANDBOX", "sessionToken": fmt.Sprintf("FAKE-session-of-%s", role),
					"expiration": c.now().Add(c.Life).UnixMilli(),
				}})
				return
			}
		}
		idcError(w, http.StatusForbidden, "ForbiddenException", "forbidden", "No access")
	}
}
