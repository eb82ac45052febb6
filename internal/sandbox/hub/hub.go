// Package hub is a stand-in for Docker Hub: accounts with their tokens, organizations and
// repositories, the API, and docker login's browser sign-in. It follows Docker Hub's API
// reference. The registry stand-in asks the accounts who may do what.
package hub

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"purser/internal/sandbox/bearer"

	"purser/internal/sandbox/fault"

	"purser/internal/credential"
)

// Hub is Docker Hub's API (reference, version 2) for sign-in, exchanging, making and revoking
// tokens, and looking up repositories.
type Hub struct {
	// Hide replaces existing tokens in the list: "***" or "". The reference has shown both. Set it
	// before use.
	Hide string
	// Accepted answers deletions with 202, which clients have seen, instead of 204.
	Accepted bool
	// Minted receives every new token; may be nil.
	Minted func(credential.Secret)

	// Sessions signs the bearers of sign-ins.
	Sessions *bearer.Signer

	accounts *Accounts
	now      func() time.Time
	faults   fault.Queue
	sessions sessions
	limit    atomic.Int64
	window   window
}

// New makes the API for accounts.
func New(accounts *Accounts, now func() time.Time, random io.Reader) (*Hub, error) {
	s, err := bearer.NewShared(random)
	return &Hub{accounts: accounts, now: now, Sessions: s}, err
}

// Fault makes requests of a kind, one of Faults, misbehave.
func (h *Hub) Fault(kind string, f fault.Fault) { h.faults.Set(kind, f) }

// Faults lists the kinds of requests that can misbehave.
func Faults() []string {
	return []string{"exchange", "second-factor", "repositories", "tokens", "mint", "activate", "revoke", "audit"}
}

// ClearFaults removes all faults and the rate limit.
func (h *Hub) ClearFaults() {
	h.faults.Clear()
	h.Limit(0)
}

const (
	hubBearerLife = 10 * time.Minute
	hubRateLimit  = 180 // requests a minute, sent in headers; only Limit enforces one
)

// window counts the requests of the current minute.
type window struct {
	mu    sync.Mutex
	until time.Time
	asked int
}

// count counts a request, writes the rate-limit headers, and reports whether it exceeds the limit.
func (h *Hub) count(w http.ResponseWriter) bool {
	h.window.mu.Lock()
	defer h.window.mu.Unlock()
	if now := h.now(); !now.Before(h.window.until) {
		h.window.until, h.window.asked = now.Add(time.Minute), 0
	}
	h.window.asked++
	limit := cmp.Or(int(h.limit.Load()), hubRateLimit)
	w.Header().Set("X-RateLimit-Limit", strconv.Itoa(limit))
	w.Header().Set("X-RateLimit-Remaining", strconv.Itoa(max(0, limit-h.window.asked)))
	w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(h.window.until.Unix(), 10))
	return h.limit.Load() > 0 && h.window.asked > limit
}

// Limit answers n requests a minute and refuses the rest with 429; 0: no limit.
func (h *Hub) Limit(n int) { h.limit.Store(int64(n)) }

// tooMany sends the current Retry-After header and the older X-Retry-After.
func (h *Hub) tooMany(w http.ResponseWriter) {
	h.window.mu.Lock()
	until := h.window.until
	h.window.mu.Unlock()
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(until.Sub(h.now()).Seconds()))))
	w.Header().Set("X-Retry-After", strconv.FormatInt(until.Unix(), 10))
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"detail":"Rate limit exceeded","error":false}`)
}

// ServeHTTP serves the API.
func (h *Hub) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Date", h.now().UTC().Format(http.TimeFormat))
	limited := h.count(w)
	rest, repositories := strings.CutPrefix(req.URL.Path, "/v2/namespaces/")
	namespace, plain := strings.CutSuffix(strings.TrimSuffix(rest, "/"), "/repositories")
	switch {
	case limited:
		h.tooMany(w)
	case req.URL.Path == usersLogin && req.Method == http.MethodPost:
		if !h.faults.Strike("exchange", w, req) {
			h.usersLogin(w, req)
		}
	case req.URL.Path == userPath && req.Method == http.MethodGet:
		h.user(w, req)
	case strings.HasPrefix(req.URL.Path, olderRepositories) && (req.Method == http.MethodGet || req.Method == http.MethodPatch):
		if !h.faults.Strike("repositories", w, req) {
			h.older(w, req)
		}
	case repositories && plain && req.Method == http.MethodGet:
		h.list(w, req, namespace)
	case repositories && plain && req.Method == http.MethodPost:
		h.create(w, req, namespace)
	case req.URL.Path == "/v2/auth/token" && req.Method == http.MethodPost:
		if !h.faults.Strike("exchange", w, req) {
			h.exchange(w, req)
		}
	case req.URL.Path == "/v2/users/2fa-login" && req.Method == http.MethodPost:
		if !h.faults.Strike("second-factor", w, req) {
			h.secondFactor(w, req)
		}
	case req.URL.Path == tokensPath || strings.HasPrefix(req.URL.Path, tokensPath+"/") || strings.HasPrefix(req.URL.Path, "/v2/orgs/"):
		h.manage(w, req)
	case strings.HasPrefix(req.URL.Path, auditPath) && req.Method == http.MethodGet:
		who := h.asker(req)
		if who.Hub.Username == "" {
			hubError(w, http.StatusUnauthorized, "unauthorized", nil)
			return
		}
		if !h.faults.Strike("audit", w, req) {
			h.auditLog(w, req, who)
		}
	case repositories && (req.Method == http.MethodGet || req.Method == http.MethodHead):
		if !h.faults.Strike("repositories", w, req) {
			h.repository(w, req, rest)
		}
	default:
		hubError(w, http.StatusNotFound, "object not found", nil)
	}
}

func hubError(w http.ResponseWriter, status int, message string, more map[string]any) {
	body := map[string]any{"errinfo": map[string]any{}, "message": message, "detail": message}
	for k, v := range more {
		body[k] = v
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// hubClaims are the claims seen in bearers of Docker Hub's API.
type hubClaims struct {
	Issuer   string    `json:"iss"`
	Audience string    `json:"aud"`
	IssuedAt int64     `json:"iat"`
	Expires  int64     `json:"exp"`
	ID       string    `json:"jti"`
	Scope    string    `json:"scope"`
	Source   hubSource `json:"source"`
	Hub      hubClaim  `json:"https://hub.docker.com"`
}

type hubSource struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

type hubClaim struct {
	Username string   `json:"username"`
	UUID     string   `json:"uuid"`
	Email    string   `json:"email"`
	Roles    []string `json:"roles"`
	Session  string   `json:"session_id"`
	Source   string   `json:"source"`
}

// exchange is POST /v2/auth/token. Like Docker Hub, it ignores the identifier beside a token.
func (h *Hub) exchange(w http.ResponseWriter, req *http.Request) {
	var body struct{ Identifier, Secret string }
	if err := json.NewDecoder(io.LimitReader(req.Body, 64<<10)).Decode(&body); err != nil || body.Identifier == "" {
		hubError(w, http.StatusBadRequest, "identifier and secret are required", nil)
		return
	}
	p, refused := h.accounts.SignIn(body.Identifier, credential.NewSecret(body.Secret))
	if refused != nil {
		h.refuse(w, body.Identifier, refused)
		return
	}
	scope, source := p.described()
	h.giveBearer(w, "access_token", p.Account, scope, source)
}

// refuse answers a failed sign-in. If a second factor is missing, the answer has the token for
// the next request.
func (h *Hub) refuse(w http.ResponseWriter, account string, r *Refusal) {
	var more map[string]any
	if r.factor {
		more = map[string]any{"login_2fa_token": h.sessions.begin(account), "detail": "Require secondary authentication on MFA enabled account"}
	}
	hubError(w, r.Status, r.Text, more)
}

// described returns the identity claims in a bearer.
func (p Principal) described() (scope, source string) {
	switch {
	case p.token == nil:
		return string(Admin), "docker_password|"
	case p.token.Resources != nil:
		return string(p.token.Level), "docker_oat|" + p.token.ID
	}
	return string(p.token.Level), "docker_pat|" + p.token.ID
}

func (h *Hub) giveBearer(w http.ResponseWriter, field, account, scope, source string) {
	token, err := h.bearer(account, scope, source, hubBearerLife)
	if err != nil {
		hubError(w, http.StatusInternalServerError, "cannot sign", nil)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{field: token.Reveal()})
}

func (h *Hub) bearer(account, scope, source string, life time.Duration) (credential.Secret, error) {
	now := h.now()
	kind, id, _ := strings.Cut(strings.TrimPrefix(source, "docker_"), "|")
	sum := sha256.Sum256([]byte(account)) // accounts have no stored id
	return h.Sessions.Sign(hubClaims{
		Issuer: "https://api.docker.com/", Audience: "https://hub.docker.com", IssuedAt: now.Unix(), Expires: now.Add(life).Unix(),
		ID: "FAKE-" + rand.Text(), Scope: scope, Source: hubSource{id, kind},
		Hub: hubClaim{
			Username: account, UUID: uuid(sum[:16]), Email: account + "@example.com", Roles: []string{}, Session: "FAKE-" + rand.Text(), Source: source,
		},
	})
}

// repository is GET and HEAD /v2/namespaces/{namespace}/repositories/{name}. Others get 404 for a
// private one. The permissions are the account's, whatever the token's level.
func (h *Hub) repository(w http.ResponseWriter, req *http.Request, rest string) {
	namespace, name, ok := strings.Cut(rest, "/repositories/")
	name, tags := strings.CutSuffix(name, "/tags")
	who := h.asker(req)
	r, there := h.accounts.Repository(namespace + "/" + name)
	mine := who.Hub.Username == namespace
	if !ok || !there || !r.Public && !mine {
		hubError(w, http.StatusNotFound, "object not found", nil)
		return
	}
	if tags {
		h.tags(w, namespace+"/"+name)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{
		"name": name, "namespace": namespace, "is_private": !r.Public,
		"description": r.Short, "full_description": r.Full,
		"permissions": map[string]bool{"read": true, "write": mine, "admin": mine},
	})
}
