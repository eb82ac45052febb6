package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/credential"
	"purser/internal/present"
)

// Person is the human for whom the agent runs purser. The agent cannot answer for them: no
// tool argument is an answer, and no result or message contains the address of a page that
// asks for a decision.
type Person struct {
	server *Server
	call   *call
}

var _ io.Writer = (*Person)(nil)

// Write sends what a command says to the client.
func (p *Person) Write(text []byte) (int, error) { return p.call.Write(text) }

// Say sends the client a line.
func (p *Person) Say(line string) { p.call.Say(line) }

// asksByResult reports whether the server must return its questions as results, and the
// client calls again with the answer. The protocol requires that since SEP-2322.
func asksByResult(session *mcp.ServerSession) bool {
	const since = "2026-07-28"
	client := session.InitializeParams()
	return client != nil && client.ProtocolVersion >= since
}

const (
	modeURL  = "url"
	modeForm = "form"
)

// elicits reports what the client can show. A client that names no mode can show forms.
func (p *Person) elicits() (url, form bool) {
	client := p.call.session.InitializeParams()
	if client == nil || client.Capabilities == nil || client.Capabilities.Elicitation == nil {
		return false, false
	}
	can := client.Capabilities.Elicitation
	return can.URL != nil, can.Form != nil || can.URL == nil
}

// answerLife limits how long a question stays open in the client's dialog.
const answerLife = 10 * time.Minute

// Decide asks the person. It prefers purser's own page, opened by the client, because the
// answer then bypasses the client. It never asks in the client's dialog for tools that
// destroy.
func (p *Person) Decide(ctx context.Context, d present.Decision) error {
	url, form := p.elicits()
	for _, way := range []struct {
		there bool
		ask   func(context.Context, present.Decision) error
	}{{url, p.onPageByClient}, {form && !p.call.tool.destroys, p.inDialog}, {true, p.onPageByBrowser}} {
		if !way.there {
			continue
		}
		if err := way.ask(ctx, d); !errors.Is(err, ErrNotShown) {
			return err
		}
	}
	return d.Unasked()
}

// onPageByClient lets the client open the page. The protocol keeps the address from the
// agent.
func (p *Person) onPageByClient(ctx context.Context, d present.Decision) error {
	return p.server.purser.Page(ctx, d, func(_ context.Context, address string, failed func(error)) (func(), error) {
		elicit, err := p.open(address, "purser asks you to decide on a page on this computer: "+d.Question)
		if err != nil {
			return nil, err
		}
		return p.call.raise(&ask{text: "The person must decide on the page that their client shows: " + d.Question, elicit: elicit, key: elicit.ElicitationID, answered: func(res *mcp.ElicitResult, err error) {
			switch {
			case err != nil:
				failed(ErrNotShown)
			case res.Action != accepted:
				failed(present.Declined(nil))
			}
		}}), nil
	})
}

const accepted = "accept"

func (p *Person) open(address, message string) (*mcp.ElicitParams, error) {
	id, err := newID(p.server.purser.Random)
	return &mcp.ElicitParams{Mode: modeURL, URL: address, Message: message, ElicitationID: id}, err
}

// inDialog asks in the client's own dialog.
func (p *Person) inDialog(ctx context.Context, d present.Decision) error {
	answer := make(chan error, 1)
	a := &ask{text: "The person must decide in their client's dialog: " + d.Question, elicit: question(d), key: d.Key(), answered: func(res *mcp.ElicitResult, err error) {
		said := ErrNotShown
		if err == nil {
			said = answerOf(res)
		}
		select {
		case answer <- said:
		default: // only the first answer counts
		}
	}}
	remove := p.call.raise(a)
	defer remove()
	timer := time.NewTimer(answerLife)
	defer timer.Stop()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return credential.Stopped(ctx, "waiting for the answer in the dialog")
	case <-timer.C:
		return &credential.Fault{Reason: credential.Declined, What: "nobody answered in the dialog", Why: "purser waited " + answerLife.String()}
	}
}

// question returns a decision as the client shows it. The box catches clients that accept
// without asking anyone.
func question(d present.Decision) *mcp.ElicitParams {
	const schema = `{"type":"object","properties":{"agree":{"type":"boolean","title":"Yes, do this","description":"purser continues only if you tick this"}},"required":["agree"]}`
	return &mcp.ElicitParams{Mode: modeForm, Message: d.Text(), RequestedSchema: json.RawMessage(schema)}
}

// answerOf returns nil for a yes.
func answerOf(res *mcp.ElicitResult) error {
	if agree, _ := res.Content["agree"].(bool); res.Action == accepted && agree {
		return nil
	}
	return present.Declined(nil)
}

// onPageByBrowser opens the page itself, so that only the browser gets its address.
func (p *Person) onPageByBrowser(ctx context.Context, d present.Decision) error {
	return p.server.purser.Page(ctx, d, func(ctx context.Context, address string, failed func(error)) (func(), error) {
		closed, err := p.server.purser.Browser(ctx, address, failed)
		if err != nil {
			return nil, ErrNotShown
		}
		over := p.call.raise(&ask{text: "A page has opened in the person's browser, and purser waits for their answer there: " + d.Question})
		return func() { over(); closed() }, nil
	})
}

// Page is a page whose address the agent may know, because only a person can use it: they
// give a token there, or sign in.
type Page struct {
	Address string
	Wanted  string // what the person does there, such as "give the token for dockerhub"
	Opened  bool   // whether their browser already shows it
}

// Open brings a page to the person. It calls failed if they refuse in their client.
func (p *Person) Open(ctx context.Context, page Page, failed func(error)) (remove func()) {
	if url, _ := p.elicits(); url && !page.Opened {
		if elicit, err := p.open(page.Address, "Open purser's page to "+page.Wanted+"."); err == nil {
			a := &ask{text: "The person must " + page.Wanted + " on this page:", address: page.Address, elicit: elicit, key: elicit.ElicitationID}
			a.answered = func(res *mcp.ElicitResult, err error) {
				switch {
				case err != nil:
					p.call.cannot(a)
				case res.Action != accepted:
					failed(present.Declined(nil))
				}
			}
			return p.call.raise(a)
		}
	}
	closed, opened := func() {}, page.Opened
	if !opened {
		if done, err := p.server.purser.Browser(ctx, page.Address, func(error) {}); err == nil {
			closed, opened = done, true
		}
	}
	text := "The person must " + page.Wanted + " on this page:"
	if opened {
		text = "A page has opened in the person's browser; they " + page.Wanted + " there. If it has not opened, its address is"
	}
	over := p.call.raise(&ask{text: text, address: page.Address})
	return func() { over(); closed() }
}
