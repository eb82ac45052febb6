// Package agent is what AI agents' clients are given over the Model Context Protocol
// besides a command's report: what happens meanwhile (progress.go), a person's decision
// that the agent cannot make (this file), and errors without the ways past a person.
package agent

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/present"
)

// Instructions tell an agent what purser is for, and what it never does.
const Instructions = `purser keeps the registry tokens of CI. Never ask a person for a token, a password or a code, never read one from a file or a variable, and never pass one to a tool: no tool takes one. To store a token call store; a page opens in the person's browser and asks there. Before purser uses docker's session or login, or makes a token, it asks the person itself; you cannot answer for them, and when they say no, stop. Results have no values: what is stored is described by its keys, its length and whether it matches. Every failure has error.next, the next command to type; give it to the person as it is.`

// Asker has a person decide while a tool runs: in the client's own dialog where it has
// one, else on a page in the person's browser. No argument of a tool answers.
type Asker struct {
	page func(context.Context, present.Decision) error
	req  *mcp.CallToolRequest

	// Of clients that bring the answer with a second call.
	agreed  []string            // the keys of what the person has agreed to in this call
	missing mcp.InputRequestMap // what this call lacks an answer to
	stop    context.CancelFunc  // ends this call
}

// roundTripsSince is the version of the protocol from which a server asks by its
// result, and the client calls the tool again with the answer (SEP-2322).
const roundTripsSince = "2026-07-28"

// NewAsker takes up what earlier calls have brought. What the person agreed to comes
// back in the request's state. It is not signed: the client that carries it brings the
// answers as well.
func NewAsker(page func(context.Context, present.Decision) error, req *mcp.CallToolRequest, stop context.CancelFunc) *Asker {
	return &Asker{page: page, req: req, agreed: strings.Fields(req.Params.RequestState), stop: stop}
}

// Decide asks.
func (k *Asker) Decide(ctx context.Context, d present.Decision) error {
	client := k.req.Session.InitializeParams()
	switch {
	case client == nil || client.Capabilities == nil || !showsForms(client.Capabilities.Elicitation):
	case client.ProtocolVersion >= roundTripsSince:
		return k.byRoundTrip(d)
	default:
		res, err := k.req.Session.Elicit(ctx, question(d))
		if err == nil {
			return answerOf(res)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// The client cannot do what it said it can: the page can.
	}
	return k.page(ctx, d)
}

// showsForms: a client that names no mode has the first one there was.
func showsForms(c *mcp.ElicitationCapabilities) bool {
	return c != nil && (c.Form != nil || c.URL == nil)
}

// byRoundTrip takes the answer that the client has brought, or ends the call for lack
// of one.
func (k *Asker) byRoundTrip(d present.Decision) error {
	key := d.Key()
	if slices.Contains(k.agreed, key) {
		return nil
	}
	if res, ok := k.req.Params.InputResponses[key].(*mcp.ElicitResult); ok {
		err := answerOf(res)
		if err == nil {
			k.agreed = append(k.agreed, key)
		}
		return err
	}
	k.missing = mcp.InputRequestMap{key: question(d)}
	k.stop()
	return d.Unasked()
}

// Result asks the client for the answer that the call lacks; nil when it lacks none.
func (k *Asker) Result() *mcp.CallToolResult {
	if k.missing == nil {
		return nil
	}
	return &mcp.CallToolResult{InputRequests: k.missing, RequestState: strings.Join(k.agreed, " ")}
}

// question is a decision as the client shows it. The box makes a client that accepts
// without asking anyone fail.
func question(d present.Decision) *mcp.ElicitParams {
	const schema = `{"type":"object","properties":{"agree":{"type":"boolean","title":"Yes, do this","description":"purser goes on only if you tick this"}},"required":["agree"]}`
	return &mcp.ElicitParams{Mode: "form", Message: d.Text(), RequestedSchema: json.RawMessage(schema)}
}

// answerOf is nil for a yes.
func answerOf(res *mcp.ElicitResult) error {
	if agree, _ := res.Content["agree"].(bool); res.Action == "accept" && agree {
		return nil
	}
	return present.Declined(nil)
}

// Withhold takes out of every error's next steps, in a command's report, those that go
// past a person or past a safeguard. Scripts may know them; an agent is not offered them.
func Withhold(report any) {
	switch v := report.(type) {
	case []any:
		for _, in := range v {
			Withhold(in)
		}
	case map[string]any:
		if next, ok := v["next"].([]any); ok {
			v["next"] = slices.DeleteFunc(next, func(line any) bool { text, _ := line.(string); return goesPast(text) })
		}
		for _, in := range v {
			Withhold(in)
		}
	}
}

// goesPast reports whether a line names a flag that answers for a person, or hands a
// token over without one.
func goesPast(line string) bool {
	return slices.ContainsFunc([]string{"--yes", "--token-stdin", "--allow-password", "--despite-terraform", "--no-redact"}, func(flag string) bool {
		return strings.Contains(line, flag)
	})
}
