package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"purser/internal/account"
	"purser/internal/agent"
	"purser/internal/arguments"
	"purser/internal/buildinfo"
	"purser/internal/credential"
	"purser/internal/doctor"
	"purser/internal/lifecycle"
	"purser/internal/present"
)

func (a *app) mcpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mcp",
		Short: "Serve purser's commands to AI agents, without values",
		Long: `mcp speaks the Model Context Protocol on standard input and output, for an agent's client
to start. Its tools are the commands that show no value: status, check, doctor, store and
the list of tokens. Where a token is needed, a page opens in the person's browser: the
agent does not see it, and cannot give one. Where a person has to decide, purser asks in
the client's own dialog or on a page: no tool takes the answer.`,
		Example: `  purser mcp`,
		Args:    arguments.None,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.serveMCP(cmd.Context(), a.mcpServer(), &mcp.IOTransport{Reader: io.NopCloser(a.in), Writer: present.KeptOpen{Writer: a.out}})
		},
	}
}

// The inputs of the tools. No field can hold a token: names are checked, and what has
// the form of a token is refused as on the command line.
type (
	namesInput struct {
		Names []string `json:"names,omitempty" jsonschema:"the credentials in purser.yaml; all when none is named"`
	}
	storeInput struct {
		Name    string `json:"name" jsonschema:"the credential in purser.yaml"`
		From    string `json:"from,omitempty" jsonschema:"where the token comes from: form (the default: a page in the person's browser), mint (the registry makes it, with the session that docker login left) or docker (the one that docker has); for mint and docker, purser asks the person first"`
		Expires string `json:"expires,omitempty" jsonschema:"when the token ends: a date such as 2027-01-31, or a time from now such as 90d"`
		DryRun  bool   `json:"dry_run,omitempty" jsonschema:"prove the token and change nothing"`
		Create  bool   `json:"create,omitempty" jsonschema:"make a secret that does not exist"`
	}
	tokensInput struct {
		Account string `json:"account,omitempty" jsonschema:"the account or organization; the one that is signed in when none is named"`
	}
)

// toolReport is what a tool gives: a command's report, less what no tool has.
type toolReport struct {
	Schema      string                   `json:"schema"`
	Exit        int                      `json:"exit" jsonschema:"0 done; 1 failed; 2 wrong usage or configuration; 3 the credential is bad; 4 not signed in or not allowed at AWS; 5 something is missing; 6 could not tell"`
	Error       *present.ErrorJSON       `json:"error,omitempty"`
	Store       *present.StoreJSON       `json:"store,omitempty"`
	Credentials []present.CredentialJSON `json:"credentials,omitempty"`
	Doctor      []doctor.Reported        `json:"doctor,omitempty"`
	Tokens      []account.Row            `json:"tokens,omitempty"`
}

func (a *app) serveMCP(ctx context.Context, server *mcp.Server, t mcp.Transport) error {
	err := server.Run(ctx, t)
	if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
		return nil // the client has gone
	}
	return err
}

// mcpServer has the tools.
func (a *app) mcpServer() *mcp.Server {
	server := mcp.NewServer(&mcp.Implementation{Name: "purser", Version: buildinfo.This().Version}, &mcp.ServerOptions{Instructions: agent.Instructions})
	looks := func(title string) *mcp.ToolAnnotations { return &mcp.ToolAnnotations{Title: title, ReadOnlyHint: true} }
	mcp.AddTool(server, &mcp.Tool{
		Name: "status", Description: "A table of all credentials, without reading a value: where each is kept, since when, when it ends or is due.", Annotations: looks("Status of credentials"),
	}, tool(a, func(in namesInput) []string { return append([]string{"status", "--"}, in.Names...) }))
	mcp.AddTool(server, &mcp.Tool{
		Name: "check", Description: "Reads what is stored as a consumer would, and proves it to the registry.", Annotations: looks("Prove what is stored"),
	}, tool(a, func(in namesInput) []string { return append([]string{"check", "--"}, in.Names...) }))
	mcp.AddTool(server, &mcp.Tool{
		Name: "doctor", Description: "Checks everything that storing needs, and says how to get what is missing.", Annotations: looks("Find what is missing"),
	}, tool(a, func(in namesInput) []string { return append([]string{"doctor", "--"}, in.Names...) }))
	mcp.AddTool(server, &mcp.Tool{
		Name: "store", Description: "Proves a token and stores it where CI reads it. The person gives the token on a page in their browser, or " + account.Makers() + " makes it; it is never shown.",
		Annotations: &mcp.ToolAnnotations{Title: "Store a token"},
	}, tool(a, storeArguments))
	mcp.AddTool(server, &mcp.Tool{
		Name: "tokens_list", Description: "The tokens of an account at " + account.Makers() + ": label, rights, dates, use, and where each is stored.", Annotations: looks("List tokens at " + account.Makers()),
	}, tool(a, func(in tokensInput) []string {
		args := []string{"tokens", "list"}
		if in.Account != "" {
			args = append(args, "--account="+in.Account)
		}
		return args
	}))
	return server
}

func storeArguments(in storeInput) []string {
	args := []string{"store", "--from=" + cmp.Or(in.From, "form")}
	if in.Expires != "" {
		args = append(args, "--expires="+in.Expires)
	}
	for flag, set := range map[string]bool{"--dry-run": in.DryRun, "--create": in.Create} {
		if set {
			args = append(args, flag)
		}
	}
	return append(args, "--", in.Name)
}

// tool runs a command for an agent: without a terminal, its report as the result, and
// what happens meanwhile as progress.
func tool[In any](a *app, line func(In) []string) mcp.ToolHandlerFor[In, toolReport] {
	return func(ctx context.Context, req *mcp.CallToolRequest, in In) (*mcp.CallToolResult, toolReport, error) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		p := agent.NewProgress(ctx, req)
		var out bytes.Buffer
		sub := *a
		sub.in, sub.out, sub.err, sub.tty, sub.asks, sub.output = strings.NewReader(""), &out, p, present.Terminal{}, false, arguments.Output{JSON: true}
		sub.follow = func(e lifecycle.Event) { p.Say(string(e.Step) + ": " + e.Text) }
		person := agent.NewAsker(sub.decideOnPage, req, stop)
		sub.consent = person.Decide
		code := run(ctx, line(in), &sub)
		if ask := person.Result(); ask != nil {
			return ask, toolReport{}, nil
		}
		r, ok := reportForAgent(out.Bytes())
		if !ok { // a bug ends a command without a report
			r = toolReport{Schema: present.SchemaVersion, Exit: code, Error: &present.ErrorJSON{Reason: "failed", What: credential.Quote(p.Last())}}
		}
		return &mcp.CallToolResult{IsError: code != present.ExitOK, Content: []mcp.Content{&mcp.TextContent{Text: summary(r)}}}, r, nil
	}
}

// reportForAgent reads a command's report and leaves out what an agent is not offered.
func reportForAgent(raw []byte) (r toolReport, ok bool) {
	var all any
	if json.Unmarshal(raw, &all) != nil {
		return r, false
	}
	agent.Withhold(all)
	raw, err := json.Marshal(all)
	return r, err == nil && json.Unmarshal(raw, &r) == nil
}

// summary is a result in a line, for clients that show text only.
func summary(r toolReport) string {
	if r.Error != nil {
		return strings.TrimSpace(r.Error.What + ". " + r.Error.Why + "\nnext: " + strings.Join(r.Error.Next, "; "))
	}
	raw, _ := json.Marshal(r) // the types always encode
	return string(raw)
}
