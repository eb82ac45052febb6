package registry

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"purser/internal/sandbox/hub"

	"purser/internal/credential"
)

// TokenIssuer is the issuer claim of the token service.
const TokenIssuer = "sandbox"

type registryClaims struct {
	Issuer    string        `json:"iss"`
	Audience  string        `json:"aud"`
	Subject   string        `json:"sub"`
	IssuedAt  int64         `json:"iat"`
	NotBefore int64         `json:"nbf"`
	Expires   int64         `json:"exp"`
	ID        string        `json:"jti"`
	Access    []accessClaim `json:"access"`
}

type accessClaim struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// bearerLife is the lifetime of Docker Hub's registry bearers.
const bearerLife = 5 * time.Minute

// serveToken is the token service (distribution token specification). Like Docker Hub's, it
// refuses in two ways: 401 if the token's level is too low, and 200 with fewer actions than
// requested if the account lacks a right.
func (r *Registry) serveToken(w http.ResponseWriter, req *http.Request) {
	asked, refused := r.tokenRequest(w, req)
	if refused {
		return
	}
	var p hub.Principal
	if asked.signed {
		var refused *hub.Refusal
		if p, refused = r.cfg.Accounts.SignIn(asked.user, asked.secret); refused != nil {
			writeDetails(w, refused.Status, refused.Text)
			return
		}
	}
	if r.cfg.Auth == AuthBearer && slices.ContainsFunc(asked.scopes, malformed) {
		writeDetails(w, http.StatusBadRequest, "invalid repository name")
		return
	}
	claims, ok := r.claims(p, asked.scopes)
	if !ok {
		writeDetails(w, http.StatusUnauthorized, "access token has insufficient scopes")
		return
	}
	if r.cfg.Auth == AuthOpaque {
		r.serveOpaque(w, p, claims)
		return
	}
	token, err := r.Bearers.Sign(claims)
	if err != nil {
		writeError(w, http.StatusInternalServerError, "UNKNOWN", "cannot sign")
		return
	}
	if asked.oauth {
		r.writeToken(w, token, map[string]any{"scope": claims.granted()})
		return
	}
	r.writeToken(w, token, nil)
}

// tokenRequest is a parsed request for a bearer.
type tokenRequest struct {
	user   string
	secret credential.Secret
	signed bool // with credentials, not anonymous
	scopes []string
	oauth  bool // the POST form
}

// tokenRequest parses the GET form or the POST form (OAuth 2.0), which distribution's
// specification both has, or answers with an error.
func (r *Registry) tokenRequest(w http.ResponseWriter, req *http.Request) (asked tokenRequest, refused bool) {
	switch {
	case req.Method == http.MethodGet:
		user, secret, signed := req.BasicAuth()
		return tokenRequest{user: user, secret: credential.NewSecret(secret), signed: signed, scopes: req.URL.Query()["scope"]}, false
	case req.Method != http.MethodPost || r.cfg.Auth == AuthOpaque:
		writeError(w, http.StatusMethodNotAllowed, "UNSUPPORTED", "use GET")
		return asked, true
	}
	req.Body = http.MaxBytesReader(w, req.Body, largestForm)
	if req.ParseForm() != nil || req.PostForm.Get("grant_type") != "password" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "unsupported_grant_type"})
		return asked, true
	}
	return tokenRequest{
		user: req.PostForm.Get("username"), secret: credential.NewSecret(req.PostForm.Get("password")), signed: true,
		scopes: strings.Fields(strings.Join(req.PostForm["scope"], " ")), oauth: true,
	}, false
}

// largestForm limits the request body, in bytes. Clients send far less.
const largestForm = 64 << 10

// granted returns the scopes that a bearer grants.
func (c registryClaims) granted() string {
	scopes := make([]string, len(c.Access))
	for i, entry := range c.Access {
		scopes[i] = entry.Type + ":" + entry.Name + ":" + strings.Join(entry.Actions, ",")
	}
	return strings.Join(scopes, " ")
}

// repositoryForm matches a scope with a valid repository name (distribution specification,
// pulling manifests).
var repositoryForm = credential.NewPattern(`^repository:[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*:`)

func malformed(scope string) bool {
	return strings.HasPrefix(scope, "repository:") && !repositoryForm.MatchString(scope)
}

// writeDetails answers as auth.docker.io does: one key, then a newline.
func writeDetails(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"details": text})
}

func (r *Registry) claims(p hub.Principal, scopes []string) (registryClaims, bool) {
	now := r.cfg.Now()
	c := registryClaims{
		Issuer: TokenIssuer, Audience: r.cfg.Service, Subject: p.Account, IssuedAt: now.Unix(),
		NotBefore: now.Add(-r.cfg.BearerLife).Unix(), Expires: now.Add(r.cfg.BearerLife).Unix(), ID: "dckr_jti_FAKE" + rand.Text(), Access: []accessClaim{},
	}
	for _, scope := range scopes {
		parts := strings.Split(scope, ":")
		if len(parts) != 3 || parts[0] != "repository" {
			continue
		}
		asked := strings.Split(parts[2], ",")
		if !p.WithinLevel(asked) && r.cfg.Auth == AuthBearer {
			return c, false
		}
		var granted []string
		for _, a := range r.allowed(p, parts[1]) {
			if slices.Contains(asked, a) {
				granted = append(granted, a)
			}
		}
		if len(granted) > 0 {
			c.Access = append(c.Access, accessClaim{"repository", parts[1], granted})
		}
	}
	return c, true
}

// serveOpaque answers like GHCR: it refuses anonymous push and gives everybody else a bearer for
// any scope. Only the registry checks rights.
func (r *Registry) serveOpaque(w http.ResponseWriter, p hub.Principal, c registryClaims) {
	if p.Account == "" {
		writeError(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
		return
	}
	var b [24]byte
	if _, err := io.ReadFull(r.cfg.Random, b[:]); err != nil {
		writeError(w, http.StatusInternalServerError, "UNKNOWN", c.Issuer)
		return
	}
	text := base64.StdEncoding.EncodeToString(b[:])
	r.mu.Lock()
	r.opaque[text] = opaqueBearer{p, r.cfg.Now().Add(r.cfg.BearerLife)}
	r.mu.Unlock()
	r.writeToken(w, credential.NewSecret(text), nil)
}

// writeToken answers with a bearer. The POST form uses access_token and has more fields.
func (r *Registry) writeToken(w http.ResponseWriter, token credential.Secret, more map[string]any) {
	key := "token"
	if r.cfg.AccessToken || more != nil {
		key = "access_token"
	}
	answer := map[string]any{
		key: token.Reveal(), "expires_in": int(r.cfg.BearerLife.Seconds()), "issued_at": r.cfg.Now().UTC().Format(time.RFC3339),
	}
	if r.cfg.Auth == AuthOpaque {
		delete(answer, "expires_in")
	}
	maps.Copy(answer, more)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
