package agent

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// Progress tells the client what happens, line by line.
type Progress struct {
	ctx context.Context
	req *mcp.CallToolRequest

	mu    sync.Mutex // guards what follows
	n     float64
	lines []string
	part  string
}

// NewProgress tells the client that asked.
func NewProgress(ctx context.Context, req *mcp.CallToolRequest) *Progress {
	return &Progress{ctx: ctx, req: req}
}

// Write takes what a command says to the person.
func (p *Progress) Write(text []byte) (int, error) {
	p.mu.Lock()
	p.part += string(text)
	lines := strings.Split(p.part, "\n")
	p.part = lines[len(lines)-1]
	p.lines = append(p.lines, lines[:len(lines)-1]...)
	p.mu.Unlock()
	for _, l := range lines[:len(lines)-1] {
		p.Say(l)
	}
	return len(text), nil
}

// Say is best effort: a client that does not listen misses a line.
func (p *Progress) Say(line string) {
	p.mu.Lock()
	p.n++
	n := p.n
	p.mu.Unlock()
	if token := p.req.Params.GetProgressToken(); token != nil {
		_ = p.req.Session.NotifyProgress(p.ctx, &mcp.ProgressNotificationParams{ProgressToken: token, Message: line, Progress: n})
		return
	}
	_ = p.req.Session.Log(p.ctx, &mcp.LoggingMessageParams{Level: "notice", Logger: "purser", Data: line}) //nolint:staticcheck // the only way to clients that ask for no progress
}

// Last is what was said in all, in one line.
func (p *Progress) Last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.lines) == 0 {
		return "the command ended without a report"
	}
	return fmt.Sprint(strings.Join(p.lines, " "))
}
