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

// openDoor serves everything on one port, for programs outside this machine or behind a port
// mapping: services over TLS, chosen by name and path, and the proxy over plain HTTP.
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
	go split.run() // ends when a server closes the listener
	return nil
}

// ErrListen means that the sandbox cannot listen on Options.Listen.
var ErrListen = errors.New("cannot listen on that address")

// serveAny dispatches TLS requests by server name, then by path.
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

// splitter separates TLS from plain HTTP by the first byte that a client sends.
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

// sort waits up to dialTimeout for the first byte.
func (s *splitter) sort(conn net.Conn) {
	r := bufio.NewReader(conn)
	_ = conn.SetReadDeadline(time.Now().Add(dialTimeout))
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

// peeked is a connection whose first bytes are already buffered.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

// Read returns the buffered bytes first.
func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// half is the listener for one of the two protocols.
type half struct {
	net.Listener // shared by both halves
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

// Accept waits for a connection with this half's protocol.
func (h *half) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

// Close closes the shared listener.
func (h *half) Close() error {
	close(h.closed)
	_ = h.Listener.Close() // the other half may have closed it
	return nil
}
