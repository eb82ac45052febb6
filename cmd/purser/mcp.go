package main

import (
	"context"
	"io"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"purser/internal/account"
	"purser/internal/agent"
	"purser/internal/arguments"
	"purser/internal/buildinfo"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
)

func (a *app) mcpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mcp",
		Short: "Let AI agents run purser's commands, without values",
		Long: `mcp speaks the Model Context Protocol on standard input and output; an agent's
client starts it. Its tools run purser's commands. No tool shows a token, and
no tool takes one.

When purser needs a token or a decision, it asks you: on a page in your
browser, in the client's own dialog, or at a terminal. The agent cannot answer.
A call that waits for you returns the page's address and an id to wait with.

The documentation and the skill are resources: purser://docs/ai-agents.md.`,
		Example: `  purser mcp`,
		Args:    arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A client that has gone misses nothing, so a failed write is no lost output.
			return a.mcpServer().Serve(cmd.Context(), &mcp.IOTransport{Reader: io.NopCloser(a.in), Writer: present.KeptOpen{Writer: present.Original(a.out)}})
		},
	}
}

func (a *app) mcpServer() *agent.Server {
	return agent.New(agent.Purser{
		Version: buildinfo.This().Version, Makers: account.Makers(), Random: a.random, Patience: a.patience, Run: a.runForAgent, Page: a.decideOnPage,
		Browser: func(ctx context.Context, address string, failed func(error)) (func(), error) {
			return a.wire().OpenBrowser(ctx, address, func() { failed(agent.ErrNotShown) })
		},
		Credentials: func(names []string) ([]credential.Credential, error) {
			file, err := a.project(true)
			if err != nil {
				return nil, err
			}
			return file.Chosen(names)
		},
	})
}

// runForAgent runs a command without a terminal; person asks for all that a person must do.
func (a *app) runForAgent(ctx context.Context, args []string, person *agent.Person, report io.Writer) int {
	sub := *a
	sub.in, sub.out, sub.err, sub.tty, sub.asks, sub.output = strings.NewReader(""), report, person, present.Terminal{}, false, arguments.Output{JSON: true}
	sub.follow = func(e lifecycle.Event) { person.Say(string(e.Step) + ": " + e.Text) }
	sub.consent, sub.person = person.Decide, person
	return run(ctx, args, &sub)
}
