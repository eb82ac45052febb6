// Package hub is Docker Hub, as a stand-in: the accounts with their tokens, organizations and
// repositories, the API over them, and docker login's sign-in with a browser. It follows
// Docker Hub's API reference. A registry asks the accounts who may do what.
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

// Hub is Docker Hub's API, as far as people sign in, tokens are exchanged, made and
// ended, and repositories are looked up there (Docker Hub API reference, version 2).
type Hub struct {
	// Hide is what the list has in the place of a token, "***" or nothing: the
	// reference has had both. It is set before use.
	Hide string
	// Accepted has a deletion answered with 202, as clients have seen, instead of 204.
	Accepted bool
	// Minted is told of every token that is made; may be nil.
	Minted func(credential.Secret)

	// Sessions signs what a sign-in gives.
	Sessions *bearer.Signer

	accounts *Accounts
	now      func() time.Time
	faults   fault.Queue
	sessions sessions
	limit    atomic.Int64
	window   window
}

// New makes the API over accounts.
func New(accounts *Accounts, now func() time.Time, random io.Reader) (*Hub, error) {
	s, err := bearer.NewShared(random)
	return &Hub{accounts: accounts, now: now, Sessions: s}, err
}

// Fault makes requests of a kind misbehave: exchange, second-factor, repositories,
// tokens, mint, activate or revoke.
func (h *Hub) Fault(kind string, f fault.Fault) { h.faults.Set(kind, f) }

// Faults are the kinds of requests that a Fault can be for.
func Faults() []string {
	return []string{"exchange", "second-factor", "repositories", "tokens", "mint", "activate", "revoke", "audit"}
}

// ClearFaults has everything behave again, and takes the limit away.
func (h *Hub) ClearFaults() {
	h.faults.Clear()
	h.Limit(0)
}

const (
	hubBearerLife = 10 * time.Minute
	hubRateLimit  = 180 // answers a minute, as the headers say; enforced with Limit alone
)

// window is the minute of a limit.
type window struct {
	mu    sync.Mutex
	until time.Time
	asked int
}

// count notes a request, says in its headers what is left, and reports whether it is one
// too many.
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

// Limit has the API answer so many requests a minute, and 429 to the rest; 0: any number.
func (h *Hub) Limit(n int) { h.limit.Store(int64(n)) }

// tooMany says when to come again, as the reference does now and as it did.
func (h *Hub) tooMany(w http.ResponseWriter) {
	h.window.mu.Lock()
	until := h.window.until
	h.window.mu.Unlock()
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int(until.Sub(h.now()).Seconds()))))
	w.Header().Set("X-Retry-After", strconv.FormatInt(until.Unix(), 10))
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = io.WriteString(w, `{"detail":"Rate limit exceeded","error":false}`)
}

// ServeHTTP answers the API.
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

// hubClaims are what a bearer of Docker Hub's API was seen to say.
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

// exchange is POST /v2/auth/token. The identifier is ignored beside a token,
// as it is on Docker Hub.
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

// refuse answers a sign-in that failed; where a second factor is wanted, with what the
// next request names.
func (h *Hub) refuse(w http.ResponseWriter, account string, r *Refusal) {
	var more map[string]any
	if r.factor {
		more = map[string]any{"login_2fa_token": h.sessions.begin(account), "detail": "Require secondary authentication on MFA enabled account"}
	}
	hubError(w, r.Status, r.Text, more)
}

// described is what a bearer says of who it was given to.
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
	sum := sha256.Sum256([]byte(account)) // an account has no id of its own
	return h.Sessions.Sign(hubClaims{
		Issuer: "https://api.docker.com/", Audience: "https://hub.docker.com", IssuedAt: now.Unix(), Expires: now.Add(life).Unix(),
		ID: "FAKE-" + rand.Text(), Scope: scope, Source: hubSource{id, kind},
		Hub: hubClaim{
			Username: account, UUID: uuid(sum[:16]), Email: account + "@example.com", Roles: []string{}, Session: "FAKE-" + rand.Text(), Source: source,
		},
	})
}

// repository is GET and HEAD /v2/namespaces/{namespace}/repositories/{name}. A
// private one is hidden from others as if it did not exist; the permissions are
// those of the account, whatever the token's level.
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
