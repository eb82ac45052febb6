package hub

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"purser/internal/credential"
)

const (
	usersLogin        = "/v2/users/login"
	userPath          = "/v2/user/"
	olderRepositories = "/v2/repositories/"
)

// asker returns the claims of the request's bearer, or zero claims without a valid one.
func (h *Hub) asker(req *http.Request) (who hubClaims) {
	if text, sent := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); sent {
		h.Sessions.Read(credential.NewSecret(text), h.now(), &who)
	}
	return who
}

// usersLogin is the older POST /v2/users/login, which scripts still use. It takes passwords and
// personal tokens, but no organization tokens.
func (h *Hub) usersLogin(w http.ResponseWriter, req *http.Request) {
	var body struct{ Username, Password string }
	if err := json.NewDecoder(io.LimitReader(req.Body, 64<<10)).Decode(&body); err != nil || body.Username == "" {
		hubError(w, http.StatusBadRequest, "username and password are required", nil)
		return
	}
	p, refused := h.accounts.SignIn(body.Username, credential.NewSecret(body.Password))
	switch {
	case refused != nil:
		h.refuse(w, body.Username, refused)
	case p.token != nil && p.token.Resources != nil:
		hubError(w, http.StatusUnauthorized, "Cannot log into an organization account", nil)
	default:
		scope, source := p.described()
		h.giveBearer(w, "token", p.Account, scope, source)
	}
}

// user is GET /v2/user/, which clients use although it is undocumented.
func (h *Hub) user(w http.ResponseWriter, req *http.Request) {
	who := h.asker(req)
	if who.Hub.Username == "" {
		hubError(w, http.StatusUnauthorized, "unauthorized", nil)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"username": who.Hub.Username, "type": "User", "is_active": true})
}

// older is /v2/repositories/{namespace}/{name}/, the deprecated path. Only an admin token or a
// session may change descriptions there.
func (h *Hub) older(w http.ResponseWriter, req *http.Request) {
	who := h.asker(req)
	if strings.HasPrefix(who.Hub.Source, "docker_oat") {
		hubError(w, http.StatusForbidden, "token issued from organization access token is not allowed", nil)
		return
	}
	namespace, name, _ := strings.Cut(strings.Trim(strings.TrimPrefix(req.URL.Path, olderRepositories), "/"), "/")
	if req.Method != http.MethodPatch {
		h.repository(w, req, namespace+"/repositories/"+name)
		return
	}
	r, there := h.accounts.Repository(namespace + "/" + name)
	mine := who.Hub.Username == namespace
	switch {
	case who.Hub.Username == "":
		hubError(w, http.StatusUnauthorized, "unauthorized", nil)
	case !there || !r.Public && !mine:
		hubError(w, http.StatusNotFound, "object not found", nil)
	case !mine:
		hubError(w, http.StatusForbidden, "forbidden", nil)
	case who.Scope != string(Admin) && !strings.HasPrefix(who.Hub.Source, "docker_session"):
		hubError(w, http.StatusForbidden, "access denied: insufficient scope", nil)
	default:
		h.describe(w, req, namespace, name)
	}
}

// longestDescription is the limit for the full text, in bytes.
const longestDescription = 25000

func (h *Hub) describe(w http.ResponseWriter, req *http.Request, namespace, name string) {
	var body struct {
		Short *string `json:"description"`
		Full  *string `json:"full_description"`
	}
	err := json.NewDecoder(io.LimitReader(req.Body, 1<<20)).Decode(&body)
	if err != nil || body.Full != nil && len(*body.Full) > longestDescription {
		hubError(w, http.StatusBadRequest, "full_description: at most 25000 bytes", nil)
		return
	}
	h.accounts.mu.Lock()
	r := h.accounts.repositories[namespace+"/"+name]
	if body.Short != nil {
		r.Short = *body.Short
	}
	if body.Full != nil {
		r.Full = *body.Full
	}
	h.accounts.repositories[namespace+"/"+name] = r
	h.accounts.mu.Unlock()
	h.repository(w, req, namespace+"/repositories/"+name)
}

// list is GET /v2/namespaces/{namespace}/repositories. It returns what the asker may see as a
// single page.
func (h *Hub) list(w http.ResponseWriter, req *http.Request, namespace string) {
	mine := h.asker(req).Hub.Username == namespace
	h.accounts.mu.Lock()
	defer h.accounts.mu.Unlock()
	results := []any{}
	for _, full := range slices.Sorted(maps.Keys(h.accounts.repositories)) {
		r := h.accounts.repositories[full]
		if name, in := strings.CutPrefix(full, namespace+"/"); in && (mine || r.Public) {
			results = append(results, map[string]any{"name": name, "namespace": namespace, "is_private": !r.Public, "description": r.Short})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"count": len(results), "next": nil, "previous": nil, "results": results})
}

// create is POST /v2/namespaces/{namespace}/repositories.
func (h *Hub) create(w http.ResponseWriter, req *http.Request, namespace string) {
	who := h.asker(req)
	var body struct {
		Name    string `json:"name"`
		Private bool   `json:"is_private"`
	}
	switch err := json.NewDecoder(io.LimitReader(req.Body, 1<<20)).Decode(&body); {
	case who.Hub.Username == "":
		hubError(w, http.StatusUnauthorized, "unauthorized", nil)
	case who.Hub.Username != namespace || who.Scope != string(Admin):
		hubError(w, http.StatusForbidden, "access denied: insufficient scope", nil)
	case err != nil || body.Name == "":
		hubError(w, http.StatusBadRequest, "name is required", nil)
	default:
		h.accounts.AddRepository(namespace+"/"+body.Name, namespace, !body.Private)
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"name": body.Name, "namespace": namespace, "is_private": body.Private})
	}
}
