package agent

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// call is a command that a tool runs. It may outlive the request that started it, because a
// person has to act first.
type call struct {
	id      string
	tool    tool
	session *mcp.ServerSession
	stop    context.CancelFunc
	done    chan struct{}
	result  *mcp.CallToolResult // valid once done is closed

	mu       sync.Mutex // guards the fields below
	ask      *ask       // what a person has to do now, or nil
	changed  chan struct{}
	listener *listener
	lines    []string
	part     string
}

// ask is one thing that only a person can do.
type ask struct {
	text     string            // describes it
	address  string            // the page to do it on; "" if the agent must not know it
	elicit   *mcp.ElicitParams // what the client shows, or nil
	answered func(*mcp.ElicitResult, error)

	key  string // identifies the answer among those that a client brings
	sent bool   // whether the client has it
	over context.Context
}

// raise asks a person to act, until the caller calls remove.
func (c *call) raise(a *ask) (remove func()) {
	over, end := context.WithCancel(context.Background())
	a.over = over
	c.set(a)
	if a.elicit == nil {
		c.Say(a.request())
	}
	return func() {
		end()
		if sent := c.set(nil); sent && a.elicit.Mode == modeURL && !asksByResult(c.session) {
			_ = c.session.NotifyElicitationComplete(context.Background(), &mcp.ElicitationCompleteParams{ElicitationID: a.key})
		}
	}
}

// request says what the person has to do, and where.
func (a *ask) request() string {
	return strings.TrimSpace(a.text + " " + a.address)
}

// set changes what a person has to do, and reports whether the client was shown the
// previous one.
func (c *call) set(a *ask) (sent bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent = c.ask != nil && c.ask.sent && c.ask.elicit != nil
	c.ask = a
	close(c.changed)
	c.changed = make(chan struct{})
	return sent
}

// now returns what a person has to do, and a channel that closes when that changes.
func (c *call) now() (*ask, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ask, c.changed
}

// unsent returns the open question the first time it is called, or nil.
func (c *call) unsent() *ask {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ask == nil || c.ask.elicit == nil || c.ask.sent {
		return nil
	}
	c.ask.sent = true
	return c.ask
}

// cannot asks without the client, which failed to show the question.
func (c *call) cannot(a *ask) {
	plain := *a
	plain.elicit = nil
	c.set(&plain)
	c.Say(plain.request())
}

// answer passes a client's answer to the open question.
func (c *call) answer(brought mcp.InputResponseMap) {
	if a, _ := c.now(); a != nil && a.key != "" {
		if res, ok := brought[a.key].(*mcp.ElicitResult); ok {
			a.answered(res, nil)
		}
	}
}

func (c *call) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// follow waits until a call ends, needs the client to show a question, or takes longer than
// the server's patience. A client that doesn't listen during a call hears at once that a
// person has to act.
func (s *Server) follow(ctx context.Context, req *mcp.CallToolRequest, c *call) (*mcp.CallToolResult, error) {
	c.attach(&listener{ctx: ctx, req: req})
	defer c.attach(nil)
	patience := time.NewTimer(s.purser.Patience)
	defer patience.Stop()
	waits := req.Params.Name == waitTool
	for {
		if a := c.unsent(); a != nil {
			if asksByResult(req.Session) {
				return &mcp.CallToolResult{InputRequests: mcp.InputRequestMap{a.key: a.elicit}, RequestState: c.id}, nil
			}
			s.elicit(ctx, req, a)
			patience.Reset(s.purser.Patience)
		}
		a, changed := c.now()
		if a != nil && a.elicit == nil && !waits && !s.listens(req) {
			return waiting(c, a), nil
		}
		select {
		case <-c.done:
			s.forget(c)
			return c.result, nil
		case <-changed:
		case <-patience.C:
			if c.ended() {
				continue
			}
			return waiting(c, a), nil
		case <-ctx.Done():
			if !waits {
				c.stop()
				<-c.done
				s.forget(c)
			}
			return nil, ctx.Err()
		}
	}
}

// elicit asks the client while the question is open.
func (s *Server) elicit(ctx context.Context, req *mcp.CallToolRequest, a *ask) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(a.over, stop)()
	res, err := req.Session.Elicit(ctx, a.elicit)
	if ctx.Err() == nil {
		a.answered(res, err)
	}
}

// wait follows a call again, or stops it.
func (s *Server) wait(ctx context.Context, req *mcp.CallToolRequest, in input) (*mcp.CallToolResult, error) {
	id := req.Params.RequestState
	if id == "" {
		id = in.text("id")
	}
	c := s.find(id)
	if c == nil {
		return failed(noSuchCall), nil
	}
	if in.yes("stop") {
		c.stop()
		<-c.done
	}
	c.answer(req.Params.InputResponses)
	return s.follow(ctx, req, c)
}

// listens reports whether the client wants messages during a call.
func (s *Server) listens(req *mcp.CallToolRequest) bool {
	_, logs := req.Params.Meta[mcp.MetaKeyLogLevel] //nolint:staticcheck // clients still ask so
	return logs || s.logs.Load() || req.Params.GetProgressToken() != nil
}

// listener is a request that gets its call's messages.
type listener struct {
	ctx context.Context
	req *mcp.CallToolRequest
	n   float64
}

func (c *call) attach(l *listener) {
	c.mu.Lock()
	c.listener = l
	a := c.ask
	c.mu.Unlock()
	if l != nil && a != nil && a.elicit == nil {
		c.Say(a.request())
	}
}

// Write sends what a command says to the client, line by line.
func (c *call) Write(text []byte) (int, error) {
	c.mu.Lock()
	c.part += string(text)
	lines := strings.Split(c.part, "\n")
	c.part = lines[len(lines)-1]
	lines = lines[:len(lines)-1]
	c.lines = append(c.lines, lines...)
	c.mu.Unlock()
	for _, l := range lines {
		c.Say(l)
	}
	return len(text), nil
}

// Say sends the client a line. A client that does not listen misses it.
func (c *call) Say(line string) {
	c.mu.Lock()
	l := c.listener
	if l != nil {
		l.n++
	}
	c.mu.Unlock()
	if l == nil {
		return
	}
	if token := l.req.Params.GetProgressToken(); token != nil {
		_ = l.req.Session.NotifyProgress(l.ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Message: line, Progress: l.n})
		return
	}
	_ = l.req.Session.Log(l.ctx, &mcp.LoggingMessageParams{Level: "notice", Logger: "purser", Data: line}) //nolint:staticcheck // the only way to clients that ask for no progress
}

// last returns all that the command said, in one line.
func (c *call) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lines) == 0 {
		return "the command ended without a report"
	}
	return strings.Join(c.lines, " ")
}

// unshown ends the wait for a page that nobody can answer.
type unshown struct{ error }

// Watch lets a wait for a page end early: failed ends the context, and why then returns
// failed's error in place of its argument.
func Watch(ctx context.Context) (watched context.Context, failed func(error), why func(error) error) {
	watched, stop := context.WithCancelCause(ctx)
	failed = func(err error) { stop(&unshown{err}) }
	why = func(err error) error {
		if u, ok := errors.AsType[*unshown](context.Cause(watched)); ok && err != nil {
			return u.error
		}
		return err
	}
	return watched, failed, why
}
