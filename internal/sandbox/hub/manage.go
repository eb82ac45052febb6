package hub

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"purser/internal/credential"
)

const tokensPath = "/v2/access-tokens"

// sessions holds sign-ins that wait for a second factor, and accounts whose sessions ended.
type sessions struct {
	mu      sync.Mutex
	waiting map[string]string // account by login_2fa_token
	ended   map[string]bool
}

func (s *sessions) begin(account string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		s.waiting = map[string]string{}
	}
	id := fmt.Sprintf("FAKE-second-factor-%d", len(s.waiting)+1)
	s.waiting[id] = strings.ToLower(account)
	return id
}

// Session returns a bearer like the one that a browser sign-in leaves with docker: it may manage
// the account's tokens.
func (h *Hub) Session(account string, life time.Duration) (credential.Secret, error) {
	return h.bearer(account, "openid offline_access", "docker_session|FAKE", life)
}

// EndSessions invalidates an account's bearers.
func (h *Hub) EndSessions(account string) {
	h.sessions.mu.Lock()
	defer h.sessions.mu.Unlock()
	if h.sessions.ended == nil {
		h.sessions.ended = map[string]bool{}
	}
	h.sessions.ended[account] = true
}

// secondFactor is POST /v2/users/2fa-login.
func (h *Hub) secondFactor(w http.ResponseWriter, req *http.Request) {
	var body struct {
		Token string `json:"login_2fa_token"`
		Code  string `json:"code"`
	}
	_ = json.NewDecoder(io.LimitReader(req.Body, 64<<10)).Decode(&body) // a missing value is refused below
	h.sessions.mu.Lock()
	account, ok := h.sessions.waiting[body.Token]
	h.sessions.mu.Unlock()
	h.accounts.mu.Lock()
	right := ok && body.Code == h.accounts.passwords[account].code
	h.accounts.mu.Unlock()
	if !right {
		hubError(w, http.StatusUnauthorized, "Incorrect authentication code", nil)
		return
	}
	h.giveBearer(w, "token", account, string(Admin), "docker_password|")
}

// manage dispatches the calls that list, make, change and revoke tokens. Bearers made from tokens
// may do none of these.
func (h *Hub) manage(w http.ResponseWriter, req *http.Request) {
	who := h.asker(req)
	h.sessions.mu.Lock()
	valid := who.Hub.Username != "" && !h.sessions.ended[who.Hub.Username]
	h.sessions.mu.Unlock()
	switch {
	case !valid:
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"errinfo":null,"message":"unauthorized"}`)
		return
	case strings.HasPrefix(who.Hub.Source, "docker_pat"):
		hubError(w, http.StatusForbidden, "token issued from personal access token is not allowed", nil)
		return
	case strings.HasPrefix(who.Hub.Source, "docker_oat"):
		hubError(w, http.StatusForbidden, "token issued from organization access token is not allowed", nil)
		return
	}
	owner, id, org, ok := h.whose(w, req, who.Hub.Username)
	if !ok {
		return
	}
	list := &tokenList{h, owner, org}
	kind, serve := "", http.HandlerFunc(nil)
	switch {
	case req.Method == http.MethodGet:
		kind, serve = "tokens", func(w http.ResponseWriter, req *http.Request) { list.get(w, req, id) }
	case req.Method == http.MethodPost && id == "desktop-generate" && org == nil:
		kind, serve = "mint", func(w http.ResponseWriter, _ *http.Request) { list.desktopGenerate(w) }
	case req.Method == http.MethodPost && id == "":
		kind, serve = "mint", list.mint
	case req.Method == http.MethodPatch && id != "":
		kind, serve = "activate", func(w http.ResponseWriter, req *http.Request) { list.patch(w, req, id) }
	case req.Method == http.MethodDelete && id != "":
		kind, serve = "revoke", func(w http.ResponseWriter, _ *http.Request) { list.remove(w, id) }
	default:
		hubError(w, http.StatusMethodNotAllowed, "method not allowed", nil)
		return
	}
	if h.faults.ComesAfter(kind) {
		serve(httptest.NewRecorder(), req)
	}
	if !h.faults.Strike(kind, w, req) {
		serve(w, req)
	}
}

// whose finds the owner of the tokens at a path, and checks that the account may manage them.
func (h *Hub) whose(w http.ResponseWriter, req *http.Request, account string) (owner, id string, org *Organization, ok bool) {
	if rest, personal := strings.CutPrefix(req.URL.Path, tokensPath); personal {
		return account, strings.Trim(rest, "/"), nil, true
	}
	name, rest, found := strings.Cut(strings.TrimPrefix(req.URL.Path, "/v2/orgs/"), "/access-tokens")
	h.accounts.mu.Lock()
	org = h.accounts.organizations[name]
	h.accounts.mu.Unlock()
	switch {
	case !found || org == nil:
		hubError(w, http.StatusNotFound, "object not found", nil)
	case !slices.Contains(org.Owners, account):
		hubError(w, http.StatusForbidden, "forbidden", nil)
	case org.NoPlan:
		hubError(w, http.StatusForbidden, "organization access tokens need a Team or Business subscription", nil)
	default:
		return name, strings.Trim(rest, "/"), org, true
	}
	return "", "", nil, false
}

// tokenList manages the tokens of a person or an organization.
type tokenList struct {
	hub   *Hub
	owner string
	org   *Organization // nil for a person's
}

func (l *tokenList) all() []*Token {
	var all []*Token
	for _, t := range l.hub.accounts.tokens {
		if t.Owner == l.owner && (t.Resources != nil) == (l.org != nil) {
			all = append(all, t)
		}
	}
	return all
}

// shown is a token in a list, in the reference's words. The list of an organization's tokens does
// not say what they may do.
func (l *tokenList) shown(t *Token, secret string) map[string]any {
	at := func(v time.Time) any {
		if v.IsZero() {
			return nil
		}
		return v.UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	if l.org != nil {
		body := map[string]any{"id": t.ID, "label": t.Label, "created_by": "mockserver", "is_active": t.Active, "created_at": at(t.Created), "expires_at": at(t.Expires), "last_used_at": at(t.LastUsed)}
		if secret != "" {
			body["token"] = secret
		}
		return body
	}
	return map[string]any{
		"uuid": t.ID, "client_id": "HUB", "creator_ip": "127.0.0.1", "creator_ua": "purser", "created_at": at(t.Created), "last_used": at(t.LastUsed),
		"generated_by": t.Generated, "is_active": t.Active, "token": secret, "token_label": t.Label, "scopes": []string{string(t.Level)}, "expires_at": at(t.Expires),
	}
}

// hidden replaces an existing token's secret. Organization tokens do not have the field.
func (l *tokenList) hidden() string {
	if l.org != nil {
		return ""
	}
	return l.hub.Hide
}

// whole is the answer for a single token.
func (l *tokenList) whole(t *Token, secret string) map[string]any {
	body := l.shown(t, secret)
	if l.org != nil {
		body["resources"] = l.resources(t)
	}
	return body
}

// hubResource is what an organization token may do with a repository.
type hubResource struct {
	Type   string   `json:"type"`
	Path   string   `json:"path"`
	Scopes []string `json:"scopes"`
}

const imageScope = "scope-image-"

func (l *tokenList) resources(t *Token) []hubResource {
	all := []hubResource{}
	for _, path := range slices.Sorted(maps.Keys(t.Resources)) {
		r := hubResource{Type: "TYPE_REPO", Path: path, Scopes: slices.Clone(t.Resources[path])}
		for i, action := range r.Scopes {
			if !strings.HasPrefix(action, "scope-") {
				r.Scopes[i] = imageScope + action
			}
		}
		all = append(all, r)
	}
	return all
}

// allow returns the actions by repository. Its errors go to the client.
func (l *tokenList) allow(all []hubResource) (map[string][]string, error) {
	allowed := map[string][]string{}
	for _, r := range all {
		if _, there := l.hub.accounts.repositories[r.Path]; !there {
			return nil, errors.New("repository " + r.Path + " does not exist")
		}
		for _, scope := range r.Scopes {
			allowed[r.Path] = append(allowed[r.Path], strings.TrimPrefix(scope, imageScope))
		}
	}
	if len(allowed) == 0 {
		return nil, errors.New("resources: at least one is required")
	}
	return allowed, nil
}

const defaultTokenPage = 10

func (l *tokenList) get(w http.ResponseWriter, req *http.Request, id string) {
	l.hub.accounts.mu.Lock()
	defer l.hub.accounts.mu.Unlock()
	all := l.all()
	if id != "" {
		i := slices.IndexFunc(all, func(t *Token) bool { return t.ID == id })
		if i < 0 {
			hubError(w, http.StatusNotFound, "object not found", nil)
			return
		}
		_ = json.NewEncoder(w).Encode(l.whole(all[i], l.hidden()))
		return
	}
	number := func(name string, otherwise int) int {
		n, err := strconv.Atoi(req.URL.Query().Get(name))
		if err != nil || n < 1 {
			return otherwise
		}
		return n
	}
	page, size := number("page", 1), min(number("page_size", defaultTokenPage), 100)
	from, to := min((page-1)*size, len(all)), min(page*size, len(all))
	results := []any{}
	active := 0
	for i, t := range all {
		if t.Active {
			active++
		}
		if i >= from && i < to {
			results = append(results, l.shown(t, l.hidden()))
		}
	}
	beside := func(page int, there bool) any {
		if !there {
			return nil
		}
		u := *req.URL
		u.Scheme, u.Host = "https", req.Host
		q := u.Query()
		q.Set("page", strconv.Itoa(page))
		u.RawQuery = q.Encode()
		return u.String()
	}
	body := map[string]any{"next": beside(page+1, to < len(all)), "previous": beside(page-1, page > 1), "results": results}
	if l.org != nil {
		body["total"] = len(all)
	} else {
		body["count"], body["active_count"] = len(all), active
	}
	_ = json.NewEncoder(w).Encode(body)
}

// defaultAllowed is the token limit of the Team plan.
const defaultAllowed = 10

func (l *tokenList) mint(w http.ResponseWriter, req *http.Request) {
	var body struct {
		TokenLabel string        `json:"token_label"`
		Label      string        `json:"label"`
		Scopes     []string      `json:"scopes"`
		Expires    *time.Time    `json:"expires_at"`
		Resources  []hubResource `json:"resources"`
	}
	bad := func(why string) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]any{"fields": map[string]any{}, "text": why})
	}
	if json.NewDecoder(io.LimitReader(req.Body, 64<<10)).Decode(&body) != nil {
		bad("the body is not valid")
		return
	}
	a := l.hub.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	label, prefix, level := body.TokenLabel, "dckr_pat_", Level("")
	var resources map[string][]string
	if l.org != nil {
		var err error
		if resources, err = l.allow(body.Resources); err != nil {
			bad(err.Error())
			return
		}
		label, prefix = body.Label, "dckr_oat_"
		allowed := cmp.Or(l.org.Allowed, defaultAllowed)
		if len(l.all()) >= allowed {
			bad("the access token limit is reached")
			return
		}
	} else if len(body.Scopes) == 1 {
		level = Level(body.Scopes[0])
	}
	switch {
	case label == "" || len([]rune(label)) > 100:
		bad("token_label: length must be between 1 and 100")
		return
	case l.org == nil && levelActions[level] == nil:
		bad("scopes: unknown scope")
		return
	}
	t, err := a.addToken(prefix, l.owner, level)
	if err != nil {
		hubError(w, http.StatusInternalServerError, "cannot make a token", nil)
		return
	}
	t.Label, t.Resources = label, resources
	if body.Expires != nil {
		t.Expires = *body.Expires
		if latest := t.Created.Add(a.LongestLife); a.LongestLife > 0 && t.Expires.After(latest) {
			t.Expires = latest
		}
	}
	if l.hub.Minted != nil {
		l.hub.Minted(t.Secret)
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(l.whole(t, t.Secret.Reveal()))
}

func (l *tokenList) patch(w http.ResponseWriter, req *http.Request, id string) {
	var body struct {
		Active     *bool         `json:"is_active"`
		TokenLabel *string       `json:"token_label"`
		Label      *string       `json:"label"` // of an organization token
		Resources  []hubResource `json:"resources"`
	}
	if json.NewDecoder(io.LimitReader(req.Body, 64<<10)).Decode(&body) != nil {
		hubError(w, http.StatusBadRequest, "the body is not valid", nil)
		return
	}
	l.hub.accounts.mu.Lock()
	defer l.hub.accounts.mu.Unlock()
	all := l.all()
	i := slices.IndexFunc(all, func(t *Token) bool { return t.ID == id })
	if i < 0 {
		hubError(w, http.StatusNotFound, "object not found", nil)
		return
	}
	t, label := all[i], body.TokenLabel
	if l.org != nil {
		label = body.Label
	}
	if l.org != nil && body.Resources != nil {
		allowed, err := l.allow(body.Resources)
		if err != nil {
			hubError(w, http.StatusBadRequest, err.Error(), nil)
			return
		}
		t.Resources = allowed
	}
	if body.Active != nil {
		t.Active = *body.Active
	}
	if label != nil {
		t.Label = *label
	}
	_ = json.NewEncoder(w).Encode(l.whole(t, l.hidden()))
}

func (l *tokenList) remove(w http.ResponseWriter, id string) {
	a := l.hub.accounts
	a.mu.Lock()
	defer a.mu.Unlock()
	before := len(a.tokens)
	a.drop(func(t *Token) bool { return t.ID == id && t.Owner == l.owner })
	switch {
	case len(a.tokens) == before:
		hubError(w, http.StatusNotFound, "object not found", nil)
	case l.hub.Accepted:
		w.WriteHeader(http.StatusAccepted)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}
