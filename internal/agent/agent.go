// Package agent serves purser's commands to AI agents over the Model Context Protocol:
// the tools (tools.go), calls that outlive a request because a person has to do something
// first (call.go), how that person is reached where the agent cannot answer for them
// (person.go), results and errors (report.go), and the documentation (resources.go).
package agent

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/credential"
	"purser/internal/present"
)

// instructions tell an agent what purser is for, and what it never does.
const instructions = `purser keeps the registry tokens of CI. Never ask a person for a token, a password or a code, never read one from a file or a variable, and never pass one to a tool: no tool takes one. To store a token call store; a page asks the person for it. Before purser uses docker's session or login, makes or ends a token, or goes back to another one, it asks the person itself; you cannot answer for them, and when they say no, stop.
When a result has "waiting", a person has to do something first: tell them what waiting.for says, give them waiting.address as it is where there is one, do not open it yourself, and call wait with waiting.id.
When a token may have leaked, call respond at once. Results have no values: what is stored is described by its keys, its length and whether it matches. Every failure has error.reason, error.what, error.why and error.next, the next step; give it to the person as it is. The pages are resources under purser://docs/, the skill is purser://skills/registry-credentials/SKILL.md, and the fields of results are described in purser://docs/ai-agents.md.`

// Purser is what the tools run.
type Purser struct {
	Version string
	Makers  string // the registries where purser makes and ends tokens, in words
	Random  io.Reader
	// Patience is how long a call takes before the agent gets an id to wait with instead of
	// a result: clients give up on calls that take minutes. 0 is 45 seconds.
	Patience time.Duration
	// Run runs a command line, writes its report as JSON and returns the exit code.
	Run func(ctx context.Context, args []string, person *Person, report io.Writer) int
	// Page asks a person on a page of purser's own, whose address show is given.
	Page func(ctx context.Context, d present.Decision, show Show) error
	// Browser shows an address in the person's browser, and nobody else.
	Browser Show
	// Credentials are those of purser.yaml, all when none is named.
	Credentials func(names []string) ([]credential.Credential, error)
}

// Show brings a page's address to the person. failed is told when it turns out that it did
// not get there, or that the person refuses; remove is called when the page is over.
type Show func(ctx context.Context, address string, failed func(error)) (remove func(), err error)

// ErrNotShown says that a page could not be shown.
var ErrNotShown = errors.New("the page could not be shown")

// usualPatience is less than the minute after which many clients give up on a call.
const usualPatience = 45 * time.Second

// maxCalls bounds the calls that wait for a person or for the agent to take their result.
const maxCalls = 16

// Server serves the tools and the documentation.
type Server struct {
	*mcp.Server
	purser Purser
	logs   atomic.Bool // the client has asked for log messages

	mu    sync.Mutex // guards what follows
	calls []*call    // the oldest first
}

// New makes a server that runs p.
func New(p Purser) *Server {
	if p.Patience == 0 {
		p.Patience = usualPatience
	}
	if p.Random == nil {
		p.Random = rand.Reader
	}
	s := &Server{purser: p, Server: mcp.NewServer(&mcp.Implementation{Name: "purser", Version: p.Version}, &mcp.ServerOptions{Instructions: instructions})}
	s.AddReceivingMiddleware(func(next mcp.MethodHandler) mcp.MethodHandler {
		return func(ctx context.Context, method string, req mcp.Request) (mcp.Result, error) {
			if method == "logging/setLevel" {
				s.logs.Store(true)
			}
			return next(ctx, method, req)
		}
	})
	for _, t := range tools(p.Makers) {
		s.AddTool(t.described(), s.handler(t))
	}
	s.addPages()
	return s
}

// Serve serves one client, and ends every call that is left when the client has gone.
func (s *Server) Serve(ctx context.Context, t mcp.Transport) error {
	err := s.Run(ctx, t)
	s.mu.Lock()
	left := s.calls
	s.calls = nil
	s.mu.Unlock()
	for _, c := range left {
		c.stop()
		<-c.done
	}
	for _, gone := range []error{context.Canceled, io.EOF, io.ErrClosedPipe, syscall.EPIPE, mcp.ErrConnectionClosed} {
		if errors.Is(err, gone) {
			return nil
		}
	}
	return err
}

// handler runs a tool. A request that brings the person's answer to a question, as clients
// of the protocol's later versions do, goes on with the call that asked.
func (s *Server) handler(t tool) mcp.ToolHandler {
	return func(ctx context.Context, req *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		in, err := t.read(req.Params.Arguments)
		if err != nil {
			return failed(err), nil
		}
		switch id := req.Params.RequestState; {
		case t.name == waitTool:
			return s.wait(ctx, req, in)
		case t.name == adviceTool:
			return s.advice(in), nil
		case id != "":
			c := s.find(id)
			if c == nil || c.tool.name != t.name {
				return failed(noSuchCall), nil
			}
			c.answer(req.Params.InputResponses)
			return s.follow(ctx, req, c)
		}
		c, err := s.start(ctx, req, t, t.line(in))
		if err != nil {
			return failed(err), nil
		}
		return s.follow(ctx, req, c)
	}
}

var noSuchCall = &credential.Fault{
	Reason: credential.Usage, What: "no call waits under this id", Why: "its result was taken already, it was stopped, or it never was",
}

// find is the call with an id; nil for none.
func (s *Server) find(id string) *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c.id == id {
			return c
		}
	}
	return nil
}

// start runs a command line in a call of its own, which ends with the server at the latest.
func (s *Server) start(ctx context.Context, req *mcp.CallToolRequest, t tool, line []string) (*call, error) {
	id, err := newID(s.purser.Random)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &call{id: id, tool: t, session: req.Session, stop: stop, done: make(chan struct{}), changed: make(chan struct{})}
	if err := s.keep(c); err != nil {
		stop()
		return nil, err
	}
	go func() {
		defer close(c.done)
		defer stop()
		var report buffer
		code := s.purser.Run(ctx, line, &Person{server: s, call: c}, &report)
		c.result = resultOf(report.Bytes(), code, line, c.last())
	}()
	return c, nil
}

// keep adds a call. The result that the agent has left longest makes room for it.
func (s *Server) keep(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, old := range s.calls {
		if len(s.calls) < maxCalls {
			break
		}
		if old.ended() {
			s.calls = append(s.calls[:i:i], s.calls[i+1:]...)
		}
	}
	if len(s.calls) >= maxCalls {
		return &credential.Fault{
			Reason: credential.Usage, What: fmt.Sprintf("%d calls wait for a person already", maxCalls), Why: "wait for one of them, or stop one, with the tool wait",
		}
	}
	s.calls = append(s.calls, c)
	return nil
}

func (s *Server) forget(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.calls {
		if s.calls[i] == c {
			s.calls = append(s.calls[:i:i], s.calls[i+1:]...)
			return
		}
	}
}

// newID is one that nobody can guess.
func newID(random io.Reader) (string, error) {
	const length = 18
	raw := make([]byte, length)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("choose an id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}
