package aws

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Metadata is the metadata service of an EC2 instance with a role, as far as
// credentials are got from it: version 2 of its protocol only, which asks for a
// token first (EC2 User Guide, "Use the Instance Metadata Service").
type Metadata struct {
	Role string // of the instance; "" for none
	// Hops is how many a packet of the answer may make. An answer to a container,
	// which is one further away, is lost with 1: nothing comes back at all.
	Hops int
	// Container has whoever asks be in a container on the instance.
	Container bool
	// Life is how long the credentials are good for; negative for ones that are over.
	Life time.Duration
	Now  func() time.Time

	mu    sync.Mutex // guards asked
	asked int
}

// metadataToken is what the stand-in gives as a session token.
const metadataToken = "FAKE-metadata-session"

// Asked is how many requests have come.
func (m *Metadata) Asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// ServeHTTP answers.
func (m *Metadata) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	m.mu.Lock()
	m.asked++
	m.mu.Unlock()
	const role = "/latest/meta-data/iam/security-credentials/"
	switch {
	case req.Method == http.MethodPut && req.URL.Path == "/latest/api/token":
		if m.Container && m.Hops < 2 {
			<-req.Context().Done() // the answer is on its way and never arrives
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
