package aws

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Metadata is an EC2 instance's metadata service for role credentials. It speaks only version 2 of
// the protocol, which needs a token first (EC2 User Guide, "Use the Instance Metadata Service").
type Metadata struct {
	Role string // "": the instance has none
	// Hops is the hop limit of answers. A container is one hop further away: with 1 it never gets
	// an answer.
	Hops int
	// Container means that the client runs in a container on the instance.
	Container bool
	// Life is the lifetime of the credentials; negative: they have expired.
	Life time.Duration
	Now  func() time.Time

	mu    sync.Mutex // guards asked
	asked int
}

// metadataToken is the session token.
const metadataToken = "FAKE-metadata-session"

// Asked returns the number of requests.
func (m *Metadata) Asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// ServeHTTP serves the metadata protocol.
func (m *Metadata) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m.mu.Lock()
	m.asked++
	m.mu.Unlock()
	const role = "/latest/meta-data/iam/security-credentials/"
	switch {
	case req.Method == http.MethodPut && req.URL.Path == "/latest/api/token":
		if m.Container && m.Hops < 2 {
			<-req.Context().Done() // the answer never arrives
			return
		}
		if req.Header.Get("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") == "" {
			http.Error(w, "Bad Request", http.StatusBadRequest)
			return
		}
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		_, _ = w.Write([]byte(metadataToken))
	case req.Header.Get("X-Aws-Ec2-Metadata-Token") != metadataToken:
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	case m.Role == "" || req.URL.Path != role && req.URL.Path != role+m.Role:
		http.NotFound(w, req)
	case req.URL.Path == role:
		_, _ = w.Write([]byte(m.Role))
	default:
		now := m.Now()
		_ = json.NewEncoder(w).Encode(map[string]any{
			"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": now.UTC(), "Expiration": now.Add(m.Life).UTC().Truncate(time.Second),
			"AccessKeyId": "ASIAFAKEFAKEFAKEFAKE", "SecretAccessKey": "FAKE-secret-access-key", "Token": "FAKE-session",
		})
	}
}
