package sandbox

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"
)

// openDoor serves everything over one port, for programs that reach the stand-ins from
// elsewhere, or by names that lead to a port of their choice: over TLS the services,
// sorted by name and path, else the proxy.
func (s *Sandbox) openDoor(ctx context.Context, o Options, secure *tls.Config) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrListen, err)
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	if o.Name != "" {
		host = o.Name
	}
	s.door = net.JoinHostPort(host, port)
	split := newSplitter(l)
	s.begin(tls.NewListener(split.tls, secure), s.around(http.HandlerFunc(s.serveAny)))
	s.begin(split.plain, s.proxy)
	go split.run() // ends with the servers, which close its listener
	return nil
}

// ErrListen says that Options.Listen cannot be listened on.
var ErrListen = errors.New("cannot listen there")

// serveAny sorts what comes in over TLS by name, and by path where several share one.
func (s *Sandbox) serveAny(w http.ResponseWriter, req *http.Request) {
	name := req.TLS.ServerName
	switch {
	case slices.Contains(hubNames(), name) || s.others[name] != nil || name == "docker.io":
		s.serveHub(w, req)
	case req.URL.Path == "/":
		s.SecretsManager.ServeHTTP(w, req)
	default:
		s.IdentityCenter.ServeHTTP(w, req)
	}
}

// splitter tells TLS from plain HTTP by the first byte that a client sends.
type splitter struct {
	from       net.Listener
	tls, plain *half
}

func newSplitter(l net.Listener) *splitter {
	return &splitter{l, newHalf(l), newHalf(l)}
}

// handshakeRecord is the first byte of a TLS connection (RFC 8446 section 5.1).
const handshakeRecord = 22

func (s *splitter) run() {
	for {
		conn, err := s.from.Accept()
		if err != nil {
			return
		}
		go s.sort(conn)
	}
}

// sort waits for the first byte, not for ever.
func (s *splitter) sort(conn net.Conn) {
	r := bufio.NewReader(conn)
	_ = conn.SetReadDeadline(time.Now().Add(dialTimeout)) // of a connection that was just made
	first, err := r.Peek(1)
	if err != nil || conn.SetReadDeadline(time.Time{}) != nil {
		_ = conn.Close()
		return
	}
	to := s.plain
	if first[0] == handshakeRecord {
		to = s.tls
	}
	to.put(&peeked{conn, r})
}

// peeked is a connection of which something was read ahead.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

// Read reads what was read ahead first.
func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// half is a listener for one of the two kinds of connections.
type half struct {
	net.Listener // whose end is this one's
	conns        chan net.Conn
	closed       chan struct{}
}

func newHalf(l net.Listener) *half { return &half{l, make(chan net.Conn), make(chan struct{})} }

func (h *half) put(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.closed:
		_ = c.Close()
	}
}

// Accept waits for a connection of the kind.
func (h *half) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close ends both halves' source. A server closes its listener once.
func (h *half) Close() error {
	close(h.closed)
	_ = h.Listener.Close() // the other half may have
	return nil
}
