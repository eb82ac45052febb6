// Package registry is a stand-in for a registry and its token service. go-containerregistry
// stores the images; the accounts of package hub decide who may push.
package registry

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"purser/internal/sandbox/hub"

	"purser/internal/sandbox/bearer"

	"purser/internal/sandbox/fault"

	ggcr "github.com/google/go-containerregistry/pkg/registry"

	"purser/internal/credential"
)

// AuthMode is how a registry authenticates clients.
type AuthMode string

// The ways to authenticate.
const (
	AuthBearer AuthMode = "bearer" // a token service; its bearers list what they grant
	// AuthOpaque is like GHCR: a valid secret gets any scope, in a bearer without claims, and
	// nobody says how long that works.
	AuthOpaque AuthMode = "opaque"
	AuthBasic  AuthMode = "basic" // user name and secret with every request
	AuthOpen   AuthMode = "open"  // no credentials needed
)

// Config describes a registry.
type Config struct {
	Auth     AuthMode
	Realm    string // URL of the token service; "": /token at the registry
	Service  string
	Accounts *hub.Accounts
	Now      func() time.Time
	Random   io.Reader

	Folder string // stores blobs; "": in memory

	CancelStatus  int  // answer to cancelling an upload; 0: 204, or 401 without the delete right
	AbsoluteURLs  bool // upload locations include the host
	TwoChallenges bool // offer and accept Basic besides Bearer, like Gitea
	AccessToken   bool // the token service answers access_token instead of token

	// BearerLife is how long a bearer works, even if its token ends; 0: five minutes, as at
	// Docker Hub.
	BearerLife time.Duration
}

// Registry is go-containerregistry's registry, with real images, behind a token service and
// authorization that enforces scopes as the distribution project's registry does.
type Registry struct {
	Bearers *bearer.Signer // signs for the token service

	cfg    Config
	images http.Handler
	faults fault.Queue

	mu        sync.Mutex // guards what follows
	opaque    map[string]opaqueBearer
	asked     []string
	manifests []Manifest // only with a folder
}

// opaqueBearer is what the registry remembers of a bearer without claims.
type opaqueBearer struct {
	of    hub.Principal
	until time.Time
}

// leeway is how long the distribution project's registry accepts a bearer that has ended.
const leeway = time.Minute

// New makes an empty registry.
func New(cfg Config) (*Registry, error) {
	s, err := bearer.New(cfg.Random)
	if err != nil {
		return nil, err
	}
	s.Leeway, cfg.BearerLife = leeway, cmp.Or(cfg.BearerLife, bearerLife)
	options := []ggcr.Option{ggcr.Logger(log.New(io.Discard, "", 0))}
	if cfg.Folder != "" {
		if err := os.MkdirAll(cfg.Folder, 0o700); err != nil {
			return nil, err
		}
		options = append(options, ggcr.WithBlobHandler(ggcr.NewDiskBlobHandler(cfg.Folder)))
	}
	return &Registry{cfg: cfg, Bearers: s, opaque: map[string]opaqueBearer{}, images: ggcr.New(options...)}, nil
}

// Fault makes requests of a kind, one of Faults, misbehave.
func (r *Registry) Fault(kind string, f fault.Fault) { r.faults.Set(kind, f) }

// Faults lists the kinds of requests that can misbehave.
func Faults() []string { return []string{"ping", "token", "tags", "upload", "cancel"} }

// ClearFaults removes all faults.
func (r *Registry) ClearFaults() { r.faults.Clear() }

// Requests lists the requests in order: method, path, and the scopes for the token service;
// never a secret.
func (r *Registry) Requests() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

// ServeHTTP serves the registry protocol, and the token service at /token.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	kind, repo := kindOf(req)
	r.mu.Lock()
	r.asked = append(r.asked, strings.TrimSpace(req.Method+" "+req.URL.Path+" "+strings.Join(req.URL.Query()["scope"], " ")))
	r.mu.Unlock()
	if r.faults.Strike(kind, w, req) {
		return
	}
	if kind == "token" {
		r.serveToken(w, req)
		return
	}
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	if !r.authorise(w, req, kind, repo) {
		return
	}
	r.serveImages(w, req, kind, repo)
}

// kindOf names the kinds of requests that can misbehave; others are "other".
func kindOf(req *http.Request) (kind, repo string) {
	path := req.URL.Path
	switch path {
	case "/token":
		return "token", ""
	case "/v2/", "/v2":
		return "ping", ""
	}
	rest, _ := strings.CutPrefix(path, "/v2/")
	for _, part := range []string{"/tags/list", "/blobs/", "/manifests/", "/referrers/"} {
		if i := strings.LastIndex(rest, part); i > 0 {
			repo = rest[:i]
			switch {
			case part == "/tags/list":
				return "tags", repo
			case strings.HasSuffix(path, "/blobs/uploads/") && req.Method == http.MethodPost:
				return "upload", repo
			case strings.Contains(path, "/blobs/uploads/") && req.Method == http.MethodDelete:
				return "cancel", repo
			}
			return "other", repo
		}
	}
	return "other", ""
}

// actionsFor returns what the distribution project's registry requires. Every DELETE needs
// delete, even for an upload session.
func actionsFor(method string) []string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return []string{"pull"}
	case http.MethodDelete:
		return []string{"delete"}
	}
	return []string{"pull", "push"}
}

// authorise lets a request through or refuses it.
func (r *Registry) authorise(w http.ResponseWriter, req *http.Request, kind, repo string) bool {
	if r.cfg.Auth == AuthOpen {
		return true
	}
	need := actionsFor(req.Method)
	if kind == "cancel" && r.cfg.CancelStatus != 0 {
		w.WriteHeader(r.cfg.CancelStatus)
		return false
	}
	granted, known := r.granted(req, repo)
	if known && (repo == "" || containsAll(granted, need)) {
		return true
	}
	r.challenge(w, repo, need, known)
	return false
}

func containsAll(have, want []string) bool {
	for _, a := range want {
		if !slices.Contains(have, a) {
			return false
		}
	}
	return true
}

// granted returns the actions that the request's credential allows on the repository, and
// whether the credential is valid.
func (r *Registry) granted(req *http.Request, repo string) (actions []string, known bool) {
	if user, secret, ok := req.BasicAuth(); ok && (r.cfg.Auth == AuthBasic || r.cfg.TwoChallenges) {
		p, refused := r.cfg.Accounts.SignIn(user, credential.NewSecret(secret))
		return r.allowed(p, repo), refused == nil
	}
	text, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil, false
	}
	token := credential.NewSecret(text)
	if r.cfg.Auth == AuthOpaque {
		r.mu.Lock()
		b, ok := r.opaque[text]
		r.mu.Unlock()
		return r.allowed(b.of, repo), ok && r.cfg.Now().Before(b.until)
	}
	var c registryClaims
	if !r.Bearers.Read(token, r.cfg.Now(), &c) {
		return nil, false
	}
	for _, entry := range c.Access {
		if entry.Name == repo {
			actions = append(actions, entry.Actions...)
		}
	}
	return actions, true
}

// allowed returns the actions that both account and token level permit.
func (r *Registry) allowed(p hub.Principal, repo string) []string {
	var out []string
	for _, a := range r.cfg.Accounts.Rights(p, repo) {
		if p.WithinLevel([]string{a}) {
			out = append(out, a)
		}
	}
	return out
}

func (r *Registry) challenge(w http.ResponseWriter, repo string, need []string, known bool) {
	if r.cfg.Auth == AuthBasic && known {
		writeError(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
		return
	}
	if r.cfg.Auth == AuthBasic {
		w.Header().Set("WWW-Authenticate", `Basic realm="sandbox"`)
	} else {
		text := fmt.Sprintf(`Bearer realm=%q,service=%q`, r.cfg.Realm, r.cfg.Service)
		if repo != "" {
			text += fmt.Sprintf(`,scope="repository:%s:%s"`, repo, strings.Join(need, ","))
		}
		if known {
			text += `,error="insufficient_scope"`
		}
		w.Header().Set("WWW-Authenticate", text)
		if r.cfg.TwoChallenges {
			w.Header().Add("WWW-Authenticate", `Basic realm="sandbox"`)
		}
	}
	writeError(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

// writeError answers with an error in the distribution specification's form.
func writeError(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]any{{"code": code, "message": message, "detail": nil}}})
}

// serveImages passes requests to go-containerregistry, which lacks repositories without images
// and cancelling uploads.
func (r *Registry) serveImages(w http.ResponseWriter, req *http.Request, kind, repo string) {
	switch kind {
	case "tags":
		if _, there := r.cfg.Accounts.Repository(repo); !there {
			writeError(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
			return
		}
		r.listTags(w, req, repo)
		return
	case "cancel":
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w = &located{w, req, repo, r.cfg.AbsoluteURLs}
	_, reference, ofManifest := strings.Cut(req.URL.Path, "/manifests/")
	if ofManifest && req.Method == http.MethodPut {
		r.putManifest(w, req, repo, reference)
		return
	}
	if ofManifest && req.Method == http.MethodDelete {
		r.mu.Lock()
		r.manifests = slices.DeleteFunc(r.manifests, Manifest{Repository: repo, Reference: reference}.replaces)
		r.mu.Unlock()
	}
	r.images.ServeHTTP(w, req)
}

// listTags pages the list itself: go-containerregistry sends no Link to the next page, and knows
// no repository without images.
func (r *Registry) listTags(w http.ResponseWriter, req *http.Request, repo string) {
	query := req.URL.Query()
	size, err := strconv.Atoi(query.Get("n"))
	query.Del("n")
	all := req.Clone(req.Context())
	all.URL.RawQuery = query.Encode()
	answer := httptest.NewRecorder()
	r.images.ServeHTTP(answer, all)
	list := struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{Name: repo, Tags: []string{}}
	if answer.Code == http.StatusOK {
		_ = json.Unmarshal(answer.Body.Bytes(), &list) // the library's own output
	}
	if err == nil && size >= 0 && size < len(list.Tags) {
		list.Tags = list.Tags[:size]
		if size > 0 {
			next := url.Values{"n": {strconv.Itoa(size)}, "last": {list.Tags[size-1]}}
			w.Header().Set("Link", "<"+req.URL.Path+"?"+next.Encode()+`>; rel="next"`)
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

// located adds the location headers that the specification requires and the library omits.
type located struct {
	http.ResponseWriter
	req      *http.Request
	repo     string
	absolute bool // with the host
}

// WriteHeader adds the headers.
func (l *located) WriteHeader(status int) {
	h := l.Header()
	digest := h.Get("Docker-Content-Digest")
	switch {
	case status == http.StatusCreated && strings.Contains(l.req.URL.Path, "/manifests/"):
		h.Set("Location", "/v2/"+l.repo+"/manifests/"+digest)
	case status == http.StatusCreated:
		h.Set("Location", "/v2/"+l.repo+"/blobs/"+digest)
	case status == http.StatusAccepted && l.req.Method == http.MethodPost:
		h.Set("Docker-Upload-UUID", path.Base(h.Get("Location")))
	}
	if at := h.Get("Location"); l.absolute && strings.HasPrefix(at, "/") {
		scheme := "http://"
		if l.req.TLS != nil {
			scheme = "https://"
		}
		h.Set("Location", scheme+l.req.Host+at)
	}
	l.ResponseWriter.WriteHeader(status)
}
