package registry

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
)

// Manifest is an image's manifest as it was pushed. The library keeps blobs in a folder but
// manifests only in memory, so the state saves them.
type Manifest struct {
	Repository, Reference, Type string
	Body                        []byte
}

// largestManifest is the size limit, in bytes, that the distribution specification recommends.
const largestManifest = 4 << 20

// putManifest stores a manifest, and records the push.
func (r *Registry) putManifest(w http.ResponseWriter, req *http.Request, repo, reference string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, largestManifest))
	if err != nil {
		writeError(w, http.StatusRequestEntityTooLarge, "MANIFEST_INVALID", "the manifest is larger than 4 MiB")
		return
	}
	if code, why := r.wrong(repo, body); code != "" {
		writeError(w, http.StatusBadRequest, code, why)
		return
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	answer := &statusOf{ResponseWriter: w}
	r.images.ServeHTTP(answer, req)
	if answer.status != http.StatusCreated {
		return
	}
	r.cfg.Accounts.Adopt(repo)
	if !strings.Contains(reference, ":") {
		owner, _, _ := strings.Cut(repo, "/")
		r.cfg.Accounts.NotePush(repo, reference, owner)
	}
	if r.cfg.Folder != "" {
		r.keep(Manifest{repo, reference, req.Header.Get("Content-Type"), body})
	}
}

// wrong returns why a manifest is invalid, in the specification's words, or "". The library does
// not check manifests.
func (r *Registry) wrong(repo string, body []byte) (code, why string) {
	type blob struct {
		Digest string
		URLs   []string // of a layer stored elsewhere
	}
	var m struct {
		Config *blob
		Layers []blob
	}
	if json.Unmarshal(body, &m) != nil {
		return "MANIFEST_INVALID", "the manifest is not JSON"
	}
	if m.Config != nil {
		m.Layers = append(m.Layers, *m.Config)
	}
	for _, l := range m.Layers {
		answer := httptest.NewRecorder()
		r.images.ServeHTTP(answer, httptest.NewRequest(http.MethodHead, "/v2/"+repo+"/blobs/"+url.PathEscape(l.Digest), nil)) //nolint:noctx // nothing is sent
		if answer.Code != http.StatusOK && len(l.URLs) == 0 {
			return "MANIFEST_BLOB_UNKNOWN", "a blob of the manifest is unknown to the registry"
		}
	}
	return "", ""
}

func (r *Registry) keep(m Manifest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifests = append(slices.DeleteFunc(r.manifests, m.replaces), m)
}

func (m Manifest) replaces(old Manifest) bool {
	return old.Repository == m.Repository && old.Reference == m.Reference
}

// Kept returns the manifests in the order of their pushes.
func (r *Registry) Kept() []Manifest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.manifests)
}

// Restore pushes saved manifests. Their blobs must be in the folder.
func (r *Registry) Restore(all []Manifest) error {
	r.manifests = all
	for _, m := range all {
		req, err := http.NewRequest(http.MethodPut, "/v2/"+m.Repository+"/manifests/"+m.Reference, bytes.NewReader(m.Body)) //nolint:noctx // nothing is sent
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", m.Type)
		r.images.ServeHTTP(httptest.NewRecorder(), req)
	}
	return nil
}

// statusOf records the status of an answer.
type statusOf struct {
	http.ResponseWriter
	status int
}

// WriteHeader records and forwards the status.
func (s *statusOf) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}
