package registry

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"purser/internal/sandbox/hub"

	"purser/internal/credential"
)

// TokenIssuer is who the token service says that it is.
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

// bearerLife is that of Docker Hub's registry bearers.
const bearerLife = 5 * time.Minute

// serveToken is the token service (distribution token specification). It has
// two noes, as Docker Hub's has: a level too low is 401, a right that the
// account lacks is 200 with less than was asked for.
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

// tokenRequest is who asks a token service for what.
type tokenRequest struct {
	user   string
	secret credential.Secret
	signed bool // somebody asks, not nobody
	scopes []string
	oauth  bool // by POST
}

// tokenRequest reads a request of either form, by GET or, as OAuth 2.0 has it, by POST
// (distribution's specification of both), or answers one that is of neither.
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

// largestForm is more than any client sends, in bytes.
const largestForm = 64 << 10

// granted is what a bearer allows, as scopes.
func (c registryClaims) granted() string {
	scopes := make([]string, len(c.Access))
	for i, entry := range c.Access {
		scopes[i] = entry.Type + ":" + entry.Name + ":" + strings.Join(entry.Actions, ",")
	}
	return strings.Join(scopes, " ")
}

// repositoryForm is that of a repository's name (distribution specification, pulling
// manifests), as part of a scope.
var repositoryForm = regexp.MustCompile(`^repository:[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*:`)

// malformed reports whether a scope is for a repository that cannot be.
func malformed(scope string) bool {
	return strings.HasPrefix(scope, "repository:") && !repositoryForm.MatchString(scope)
}

// writeDetails answers as auth.docker.io does: one key, a line end behind it.
func writeDetails(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"details": text})
}

func (r *Registry) claims(p hub.Principal, scopes []string) (registryClaims, bool) {
	now := r.cfg.Now()
	c := registryClaims{
		Issuer: TokenIssuer, Audience: r.cfg.Service, Subject: p.Account, IssuedAt: now.Unix(),
		NotBefore: now.Add(-bearerLife).Unix(), Expires: now.Add(bearerLife).Unix(), ID: "dckr_jti_FAKE" + rand.Text(), Access: []accessClaim{},
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

// serveOpaque is GHCR's way: nobody is refused push outright, everybody else
// gets a bearer for whatever was asked, and only the registry decides.
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
	r.opaque[text] = p
	r.mu.Unlock()
	r.writeToken(w, credential.NewSecret(text), nil)
}

// writeToken gives a bearer. An answer to a POST has more, and the other one of the two
// names that the specifications have for it.
func (r *Registry) writeToken(w http.ResponseWriter, token credential.Secret, more map[string]any) {
	key := "token"
	if r.cfg.AccessToken || more != nil {
		key = "access_token"
	}
	answer := map[string]any{
		key: token.Reveal(), "expires_in": int(bearerLife.Seconds()), "issued_at": r.cfg.Now().UTC().Format(time.RFC3339),
	}
	maps.Copy(answer, more)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
