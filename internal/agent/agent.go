// Package agent serves purser's commands to AI agents over the Model Context Protocol: tools
// (tools.go), calls that outlive a request while a person acts (call.go), ways to ask that
// person past the agent (person.go), results (report.go) and documentation (resources.go).
package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/credential"
	"purser/internal/present"
)

// instructions tell an agent how to use purser.
const instructions = `purser manages the registry tokens of CI. Never ask a person for a token, a password or a code, never read one from a file or a variable, and never pass one to a tool: no tool accepts one. To store a token, call store; a page asks the person for it. purser asks the person before it uses docker's session or login, makes or revokes a token, or restores a previous one. You cannot answer for them; if they say no, stop.
If a result has "waiting", a person must act first: tell them what waiting.for says. If it has waiting.address, give it to them unchanged and do not open it yourself. Then call wait with waiting.id.
If a token may have leaked, call respond at once. Results never contain secret values; they describe a stored value by its keys, its length and whether it matches. Every failure has error.reason, error.what, error.why and error.next; pass the next step on to the person unchanged. Read the documentation under purser://docs/, the skill at purser://skills/registry-credentials/SKILL.md, and the fields of results in purser://docs/ai-agents.md.`

// Purser holds what the tools run.
type Purser struct {
	Version string
	Makers  string // names the registries where purser makes and revokes tokens
	Random  io.Reader
	// Patience limits how long the agent waits for a result before it gets an id to wait
	// with: clients give up on calls that take minutes. 0 means 45 seconds.
	Patience time.Duration
	// Run runs a command line, writes its report as JSON and returns the exit code.
	Run func(ctx context.Context, args []string, person *Person, report io.Writer) int
	// Page asks a person on purser's own page, and passes its address to show.
	Page func(ctx context.Context, d present.Decision, show Show) error
	// Browser opens an address in the person's browser and tells it to nobody else.
	Browser Show
	// Credentials returns the named credentials of purser.yaml, or all without names.
	Credentials func(names []string) ([]credential.Credential, error)
}

// Show brings a page's address to the person. It calls failed if the address did not get
// there or the person refuses. Callers call remove when the page is over.
type Show func(ctx context.Context, address string, failed func(error)) (remove func(), err error)

// ErrNotShown means that purser could not show a page.
var ErrNotShown = errors.New("the page could not be shown")

// usualPatience is less than the minute after which many clients give up on a call.
const usualPatience = 45 * time.Second

// maxCalls limits calls that wait for a person, or whose result the agent has not fetched.
const maxCalls = 16

// Server serves the tools and the documentation.
type Server struct {
	*mcp.Server
	purser Purser
	logs   atomic.Bool // the client has asked for log messages

	mu    sync.Mutex // guards the fields below
	calls []*call    // oldest first
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

// Serve serves one client. When the client leaves, it ends the remaining calls.
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

// handler runs a tool. In later versions of the protocol a client's next request brings the
// person's answer; the handler passes it to the call that asked.
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
	Reason: credential.Usage, What: "no call has this id", Why: "you already fetched its result, you stopped it, or the id is wrong",
}

// find returns the call with an id, or nil.
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

// start runs a command line in its own call, which outlives the request but not the server.
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
		var report bytes.Buffer
		code := s.purser.Run(ctx, line, &Person{server: s, call: c}, &report)
		c.result = resultOf(report.Bytes(), code, line, c.last())
	}()
	return c, nil
}

// keep adds a call. If there are too many, it drops the oldest result that nobody fetched.
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
			Reason: credential.Usage, What: fmt.Sprintf("%d calls already wait for a person", maxCalls), Why: "purser allows no more; finish or stop one with the tool wait",
		}
	}
	s.calls = append(s.calls, c)
	return nil
}

func (s *Server) forget(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = slices.DeleteFunc(s.calls, func(other *call) bool { return other == c })
}

// newID returns an ID that nobody can guess.
func newID(random io.Reader) (string, error) {
	const length = 18
	raw := make([]byte, length)
	if _, err := io.ReadFull(random, raw); err != nil {
		return "", fmt.Errorf("choose an id: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}
