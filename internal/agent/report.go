package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/credential"
	"purser/internal/present"
)

// resultSchema describes every tool's result. docs/ai-agents.md describes the parts: the
// whole schema, repeated for each tool, would fill the agent's context.
const resultSchema = `{"type":"object","properties":{"exit":{"type":"integer"},"error":{"type":"object"},"waiting":{"type":"object"}},"required":["schema"]}`

// resultOf turns a command's report into a tool's result.
func resultOf(raw []byte, code int, line []string, said string) *mcp.CallToolResult {
	report := map[string]any{}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if decoder.Decode(&report) != nil { // a bug ended the command without a report
		report = map[string]any{"schema": present.SchemaVersion, "exit": code, "error": map[string]any{"reason": "failed", "what": credential.Quote(said)}}
	}
	advise(report, line)
	result := resultWith(report)
	result.IsError = code != present.ExitOK
	return result
}

// failed returns the result of a call that failed before its command.
func failed(err error) *mcp.CallToolResult {
	raw, _ := json.Marshal(present.ReportOf(err)) // the types always encode
	return resultOf(raw, present.ExitCode(err), nil, "")
}

// waiting returns the result of a call that is still running.
func waiting(c *call, a *ask) *mcp.CallToolResult {
	state := map[string]any{"id": c.id, "for": "purser is still working."}
	next := []string{"call wait with this id"}
	if a != nil {
		state["for"] = a.text
		if a.address != "" {
			state["address"] = a.address
			next = append([]string{"give the person this address unchanged; do not open it yourself"}, next...)
		}
	}
	state["next"] = next
	return resultWith(map[string]any{"schema": present.SchemaVersion, "waiting": state})
}

// resultWith returns a report as data and, for clients that only show text, as text. An
// error comes first, in words.
func resultWith(report map[string]any) *mcp.CallToolResult {
	raw := new(bytes.Buffer)
	encoder := json.NewEncoder(raw)
	encoder.SetEscapeHTML(false) // people copy addresses
	_ = encoder.Encode(report)   // decoded or plain values always encode
	data := json.RawMessage(bytes.TrimSpace(raw.Bytes()))
	text := string(data)
	if e, ok := report["error"].(map[string]any); ok {
		text = inWords(e, report["exit"])
		if len(report) > len([]string{"schema", "exit", "error"}) {
			text += "\n" + string(data)
		}
	}
	return &mcp.CallToolResult{StructuredContent: data, Content: []mcp.Content{&mcp.TextContent{Text: text}}}
}

// inWords describes an error: what happened, why, what it means, and the next steps.
func inWords(e map[string]any, exit any) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v (reason %v, exit %v)", e["what"], e["reason"], exit)
	for _, key := range []string{"why", "meaning"} {
		if text, _ := e[key].(string); text != "" {
			fmt.Fprintf(&b, "\n%s: %s", key, text)
		}
	}
	steps, _ := e["next"].([]any)
	for _, step := range steps {
		fmt.Fprintf(&b, "\nnext: %v", step)
	}
	return b.String()
}

// advise gives every error in a report its next steps, without those that bypass a person
// or a safeguard: scripts may use them, agents may not.
func advise(report any, line []string) {
	switch v := report.(type) {
	case []any:
		for _, in := range v {
			advise(in, line)
		}
	case map[string]any:
		if reason, ok := v["reason"].(string); ok && v["what"] != nil {
			v["next"] = nextSteps(reason, v["next"], line)
		}
		for key, in := range v {
			if key != "next" {
				advise(in, line)
			}
		}
	}
}

func nextSteps(reason string, given any, line []string) []any {
	next, _ := given.([]any)
	next = slices.DeleteFunc(next, func(step any) bool { text, _ := step.(string); return goesPast(text) })
	switch credential.Reason(reason) {
	case credential.ConsentNeeded, credential.NoTerminal:
		if len(line) > 0 {
			next = append([]any{"ask a person to type this at a terminal: purser " + quoted(line)}, next...)
		}
	case credential.Declined:
		next = append(next, "ask the person what they want; repeat the call only if they say so")
	}
	if len(next) == 0 {
		next = []any{"find out what is wrong: purser doctor"}
	}
	return next
}

// goesPast reports whether a line has a flag that bypasses the person or a safeguard.
func goesPast(line string) bool {
	return slices.ContainsFunc([]string{"--yes", "--token-stdin", "--allow-password", "--despite-terraform", "--no-redact"}, func(flag string) bool {
		return strings.Contains(line, flag)
	})
}

// quoted quotes a command line for a shell.
func quoted(line []string) string {
	words := make([]string, len(line))
	for i, word := range line {
		words[i] = credential.ShellWord(word)
	}
	return strings.Join(words, " ")
}

// adviceJSON tells how a script uses a stored token.
type adviceJSON struct {
	Credential string   `json:"credential"`
	Commands   []string `json:"commands"`
	Helper     string   `json:"helper"`
}

// advice returns the commands that push or pull with each credential.
func (s *Server) advice(in input) *mcp.CallToolResult {
	credentials, err := s.purser.Credentials(in.list("names"))
	if err != nil {
		return failed(err)
	}
	rows := []adviceJSON{}
	for _, c := range credentials {
		row := adviceJSON{Credential: string(c.Name), Helper: "purser configure-docker " + string(c.Name)}
		verb := "push"
		if c.Access == credential.Pull {
			verb = "pull"
		}
		for _, r := range c.Repositories {
			row.Commands = append(row.Commands, "purser exec "+string(c.Name)+" -- docker "+verb+" "+string(c.Registry)+"/"+string(r)+":TAG")
		}
		rows = append(rows, row)
	}
	raw, _ := json.Marshal(present.ReportOf(nil).With("exec", rows).With("notes", []string{
		"Replace docker login, and the lines that fetch its token, with one of the commands; any command that pushes can follow --.",
		"helper sets up docker once on a machine, so that docker push works without exec.",
		"On a build agent purser reads credentials from PURSER_CONFIG or /etc/purser/purser.yaml, never from the checkout: purser://docs/agents.md.",
		"Run a command only if the person asked you to push.",
	}))
	return resultOf(raw, present.ExitOK, nil, "")
}
