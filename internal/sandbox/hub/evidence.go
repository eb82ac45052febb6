package hub

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// push is the latest push of a tag.
type push struct {
	By string
	At time.Time
}

// logEntry is an entry of an account's audit log.
type logEntry struct {
	Account string    `json:"account"`
	Action  string    `json:"action"`
	Name    string    `json:"name"`
	Actor   string    `json:"actor"`
	At      time.Time `json:"timestamp"`
}

// NotePush records who pushed a tag.
func (a *Accounts) NotePush(repo, tag, by string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.pushes[repo] == nil {
		a.pushes[repo] = map[string]push{}
	}
	at := a.now()
	a.pushes[repo][tag] = push{by, at}
	owner, _, _ := strings.Cut(repo, "/")
	a.log = append(a.log, logEntry{owner, "repo.tag.push", repo + ":" + tag, by, at})
}

// tags is GET /v2/namespaces/{namespace}/repositories/{name}/tags. It returns a single page.
func (h *Hub) tags(w http.ResponseWriter, repo string) {
	h.accounts.mu.Lock()
	defer h.accounts.mu.Unlock()
	results := []any{}
	for _, tag := range slices.Sorted(maps.Keys(h.accounts.pushes[repo])) {
		p := h.accounts.pushes[repo][tag]
		results = append(results, map[string]any{
			"name": tag, "last_updater_username": p.By, "last_updated": p.At.UTC(), "tag_last_pushed": p.At.UTC(), "tag_last_pulled": nil,
		})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"count": len(results), "next": nil, "previous": nil, "results": results})
}

// auditLog is GET /v2/auditlogs/{account}. Only organizations have a log, and only their owners
// may read it.
func (h *Hub) auditLog(w http.ResponseWriter, req *http.Request, who hubClaims) {
	account := strings.TrimPrefix(req.URL.Path, auditPath)
	h.accounts.mu.Lock()
	defer h.accounts.mu.Unlock()
	org := h.accounts.organizations[account]
	if org == nil || org.NoPlan || !slices.Contains(org.Owners, who.Hub.Username) || strings.HasPrefix(who.Hub.Source, "docker_pat") {
		hubError(w, http.StatusForbidden, "forbidden", nil)
		return
	}
	from, _ := time.Parse(time.RFC3339, req.URL.Query().Get("from")) // without it: from the start
	logs := []logEntry{}
	for _, e := range slices.Backward(h.accounts.log) {
		if e.Account == account && !e.At.Before(from) {
			logs = append(logs, e)
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"logs": logs})
}

const auditPath = "/v2/auditlogs/"
