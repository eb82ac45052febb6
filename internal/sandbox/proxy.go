package sandbox

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

const dialTimeout = 5 * time.Second

// proxy is an HTTPS_PROXY that connects the sandbox's names to the stand-ins, so that nothing
// leaves the machine. It refuses and records any other name.
type proxy struct {
	names map[string]bool // with their ports
	to    string          // address of the stand-in

	mu      sync.Mutex // guards refused
	refused []string
}

// ServeHTTP answers only CONNECT (RFC 9110 section 9.3.6).
func (p *proxy) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodConnect || !p.names[req.Host] {
		p.mu.Lock()
		p.refused = append(p.refused, req.Host)
		p.mu.Unlock()
		http.Error(w, "the sandbox has no such host", http.StatusForbidden)
		return
	}
	ctx, stop := context.WithTimeout(req.Context(), dialTimeout)
	defer stop()
	there, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.to)
	if err != nil {
		http.Error(w, "the stand-in does not answer", http.StatusBadGateway)
		return
	}
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	join(here, there)
}

// join copies both ways until both sides close.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1])
			_ = way[0].Close()
		})
	}
	both.Wait()
}
