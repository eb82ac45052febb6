package askpage

import (
	"context"
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxStrangers limits the connections that have not sent the page's address. A browser sends
// it about a millisecond after connecting; to displace it, another program would have to
// open this many connections in that time.
const maxStrangers = 128

// guarded is a listener that no program can fill. If there are too many connections, it
// closes the oldest one that has not sent the page's address.
type guarded struct {
	net.Listener

	mu        sync.Mutex // guards strangers
	strangers []*stranger
}

// Accept takes the next connection.
func (g *guarded) Accept() (net.Conn, error) {
	c, err := g.Listener.Accept()
	if err != nil {
		return nil, err
	}
	s := &stranger{Conn: c, of: g}
	var oldest *stranger
	g.mu.Lock()
	if len(g.strangers) == maxStrangers {
		oldest = g.strangers[0]
		g.strangers = g.strangers[1:]
	}
	g.strangers = append(g.strangers, s)
	g.mu.Unlock()
	if oldest != nil {
		_ = oldest.Conn.Close()
	}
	return s, nil
}

func (g *guarded) forget(s *stranger) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.strangers, s); i >= 0 {
		g.strangers = slices.Delete(g.strangers, i, i+1)
	}
}

// stranger is a connection that may not have sent the page's address.
type stranger struct {
	net.Conn
	of *guarded
}

// Close closes the connection.
func (s *stranger) Close() error {
	s.of.forget(s)
	return s.Conn.Close()
}

type strangerKey struct{}

func withStranger(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, strangerKey{}, c)
}

// introduce protects the connection of a request that sent the page's address.
func introduce(req *http.Request) {
	if s, ok := req.Context().Value(strangerKey{}).(*stranger); ok {
		s.of.forget(s)
	}
}
