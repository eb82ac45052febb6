package agent

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"purser/internal/credential"
)

// These tools run no command.
const (
	waitTool   = "wait"
	adviceTool = "exec_advice"
)

// tool is a tool that agents call.
type tool struct {
	name, title, says string
	reads             bool   // changes nothing
	destroys          bool   // revokes a token, or replaces the current one
	command           string // the purser command that it runs
	fields            []field
}

// field is an argument of a tool. purser rejects tokens in it, as on the command line.
type field struct {
	name   string
	kind   kind
	flag   string // the command's flag; "" for its arguments
	says   string
	unset  string // the flag to use if the argument is missing or false
	needed bool
	local  bool // a path, which must stay in the project
}

type kind string

const (
	aText kind = "string"
	aYes  kind = "boolean"
	aList kind = "array"
)

// tools returns all tools. makers names the registries that make tokens.
func tools(makers string) []tool {
	names := field{name: "names", kind: aList, says: "credentials in purser.yaml; omit for all"}
	name := field{name: "name", kind: aText, says: "the credential in purser.yaml", needed: true}
	dry := field{name: "dry_run", kind: aYes, flag: "--dry-run", says: "report and change nothing"}
	from := field{name: "from", kind: aText, flag: "--from", says: "source of the token: form (a page asks the person), mint (" + makers + " makes it) or docker (docker's own); purser asks the person before it uses docker's session or token"}
	expires := field{name: "expires", kind: aText, flag: "--expires", says: "when the token expires: 2027-01-31 or 90d"}
	wait := field{name: "wait", kind: aYes, flag: "--wait", says: "measure how long bearer tokens outlive the token: up to 15 minutes"}
	stored := from
	stored.unset = "--from=form"
	return []tool{
		{name: "status", title: "Show all credentials", reads: true, command: "status", fields: []field{names},
			says: "Lists credentials without reading a value: where each is stored, since when, when it expires or is due."},
		{name: "check", title: "Check stored tokens", reads: true, command: "check", fields: []field{names},
			says: "Reads the stored value as CI does, and checks with the registry that it works."},
		{name: "doctor", title: "Find problems", reads: true, command: "doctor", fields: []field{names},
			says: "Checks everything that store needs, and tells how to fix what is missing."},
		{name: "scan", title: "Find leaked tokens", reads: true, command: "scan",
			fields: []field{names, {name: "paths", kind: aList, says: "files and folders of the project; omit for all", local: true}, {name: "here", kind: aYes, flag: "--here", says: "also this machine's histories, logins and transcripts"}},
			says:   "Looks for the stored tokens in files, in every encoding. Tells places, never a token. If one is live, respond first."},
		{name: "tokens_list", title: "List tokens at " + makers, reads: true, command: "tokens list",
			fields: []field{{name: "account", kind: aText, flag: "--account", says: "account or organization; omit for the signed-in one"}},
			says:   "Lists an account's tokens: label, rights, dates, use, and where each is stored. Asks the person."},
		{name: "init", title: "Write purser.yaml", command: "init",
			says: "Drafts purser.yaml, which holds no secret, and shows the change. write writes it; purser asks the person before it changes an existing file.",
			fields: []field{
				{name: "from_terraform", kind: aText, flag: "--from-terraform", says: "Terraform folder to read", local: true},
				{name: "from_script", kind: aList, flag: "--from-script", says: "CI scripts to read", local: true},
				{name: "credential", kind: aText, flag: "--name"},
				{name: "registry", kind: aText, flag: "--registry", says: "host"},
				{name: "username", kind: aText, flag: "--username", says: "account at the registry"},
				{name: "repositories", kind: aList, flag: "--repository"},
				{name: "access", kind: aText, flag: "--access", says: "push or pull"},
				{name: "secret", kind: aText, flag: "--secret-id", says: "secret's name at AWS"},
				{name: "shape", kind: aText, flag: "--shape", says: "secret's JSON keys"},
				{name: "profile", kind: aText, flag: "--profile", says: "AWS profile"},
				{name: "region", kind: aText, flag: "--region"},
				{name: "rotate_every", kind: aText, flag: "--rotate-every", says: "90d"},
				{name: "write", kind: aYes, unset: "--dry-run", says: "write the file"},
			}},
		{name: "login", title: "Sign in to AWS", command: "login aws",
			fields: []field{{name: "profile", kind: aText, flag: "--profile", says: "AWS profile; omit for the one in purser.yaml"}},
			says:   "Signs in to AWS IAM Identity Center. The person signs in on AWS's page; the result has its address. To sign in to a registry, ask the person to type purser login at a terminal."},
		{name: "store", title: "Store a token", command: "store", fields: []field{name, stored, expires, dry, {name: "create", kind: aYes, flag: "--create", says: "create the secret if it is missing"}},
			says: "Checks a token with the registry and stores it where CI reads it. The person gives it on a page, or " + makers + " makes it; nobody sees it."},
		{name: "rotate", title: "Renew tokens", destroys: true, command: "rotate",
			fields: []field{{name: "names", kind: aList, says: "credentials in purser.yaml", needed: true}, from, expires, {name: "force", kind: aYes, flag: "--force", says: "renew even if it is not due"}, dry},
			says:   "Replaces tokens that are due, and revokes the old ones after their overlap. Asks the person."},
		{name: "rollback", title: "Restore the previous token", destroys: true, command: "rollback", fields: []field{name, {name: "undo", kind: aYes, flag: "--undo", says: "undo the rollback"}, dry},
			says: "Restores the previous version if its token still works. Asks the person."},
		{name: "respond", title: "Respond to a leak", destroys: true, command: "respond",
			fields: []field{name, {name: "since", kind: aText, flag: "--since", says: "report from 2026-01-31, or 30d for 30 days ago"}, from, wait, dry},
			says:   "Handles a token that may have leaked: switches it off, replaces it, and reports who read and used it. Builds fail until the new one is stored. Asks the person."},
		{name: "revoke", title: "Revoke a token now", destroys: true, command: "revoke",
			fields: []field{name, {name: "previous", kind: aYes, flag: "--previous", says: "the token before the current one"}, wait, {name: "id", kind: aText, flag: "--token", says: "id from tokens_list"}},
			says:   "Revokes a credential's current token without replacing it: its readers fail. Asks the person."},
		{name: "terraform", title: "Write Terraform for a secret", command: "terraform",
			fields: []field{names, {name: "inline", kind: aYes, flag: "--inline", says: "write resources instead of a call to purser's module"}, {name: "roles", kind: aList, flag: "--role", says: "IAM roles that read the secrets"},
				{name: "write", kind: aYes, flag: "--write", says: "write the module's files; keeps existing files"}, {name: "source", kind: aText, flag: "--source", says: "the module's folder", local: true}},
			says: "Returns Terraform for the secrets and their readers' rights."},
		{name: adviceTool, title: "Show how to push with a credential", reads: true, fields: []field{names},
			says: "Returns commands that push or pull with a stored token, to replace docker login in scripts. Runs nothing."},
		{name: waitTool, title: "Wait for a person", fields: []field{{name: "id", kind: aText, says: "waiting.id of a result", needed: true}, {name: "stop", kind: aYes, says: "stop the call instead"}},
			says: "Waits for a call that needs a person, and returns its result, or waiting again. Cannot answer for the person."},
	}
}

// described returns the tool as clients list it. All tools share one small result schema.
func (t tool) described() *mcp.Tool {
	properties := map[string]any{}
	needed := []string{}
	for _, f := range t.fields {
		p := map[string]any{"type": f.kind}
		if f.says != "" {
			p["description"] = f.says
		}
		if f.kind == aList {
			p["items"] = map[string]any{"type": aText}
		}
		properties[f.name] = p
		if f.needed {
			needed = append(needed, f.name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(needed) > 0 {
		schema["required"] = needed
	}
	return &mcp.Tool{
		Name: t.name, Description: t.says, InputSchema: schema, OutputSchema: json.RawMessage(resultSchema),
		Annotations: &mcp.ToolAnnotations{Title: t.title, ReadOnlyHint: t.reads, DestructiveHint: &t.destroys},
	}
}

// input holds a tool's arguments.
type input map[string]any

func (in input) text(name string) string { text, _ := in[name].(string); return text }
func (in input) yes(name string) bool    { yes, _ := in[name].(bool); return yes }

// list returns an argument's texts: those of an array, or a single one.
func (in input) list(name string) []string {
	if text := in.text(name); text != "" {
		return []string{text}
	}
	var all []string
	items, _ := in[name].([]any)
	for _, item := range items {
		text, _ := item.(string) // read checked the type
		all = append(all, text)
	}
	return all
}

// read parses a tool's arguments. Its errors do not repeat them: one may be a token in the
// wrong place.
func (t tool) read(raw json.RawMessage) (input, error) {
	wrong := func(what string) error {
		return &credential.Fault{Reason: credential.Usage, What: what, Why: t.name + " takes " + t.known()}
	}
	in := input{}
	if len(bytes.TrimSpace(raw)) > 0 && json.Unmarshal(raw, &in) != nil {
		return nil, wrong("the arguments are not a JSON object")
	}
	for name := range in {
		if !slices.ContainsFunc(t.fields, func(f field) bool { return f.name == name }) {
			return nil, wrong("one of the arguments is unknown")
		}
	}
	for _, f := range t.fields {
		value, given := in[f.name]
		if f.needed && (!given || value == "") {
			return nil, wrong(t.name + " needs " + f.name)
		}
		if given && !f.kind.fits(value) {
			return nil, wrong(f.name + " is not of type " + string(f.kind))
		}
		if f.local && slices.ContainsFunc(in.list(f.name), func(path string) bool { return !filepath.IsLocal(path) }) {
			return nil, wrong(f.name + " leads outside the project")
		}
	}
	return in, nil
}

func (k kind) fits(value any) bool {
	switch v := value.(type) {
	case string:
		return k == aText
	case bool:
		return k == aYes
	case []any:
		return k == aList && !slices.ContainsFunc(v, func(item any) bool { _, ok := item.(string); return !ok })
	}
	return false
}

func (t tool) known() string {
	var all []string
	for _, f := range t.fields {
		all = append(all, f.name)
	}
	return strings.Join(all, ", ")
}

// line returns the command line that the tool runs. Arguments become a flag's value or follow
// --, so they can never be flags.
func (t tool) line(in input) []string {
	line := strings.Fields(t.command)
	var names []string
	positional := false
	for _, f := range t.fields {
		values := in.list(f.name)
		switch {
		case f.kind == aYes && in.yes(f.name):
			if f.flag != "" {
				line = append(line, f.flag)
			}
		case f.kind != aYes && f.flag == "":
			positional = true
			names = append(names, values...)
		case len(values) == 0 && f.unset != "":
			line = append(line, f.unset)
		default:
			for _, v := range values {
				line = append(line, f.flag+"="+v)
			}
		}
	}
	if positional {
		line = append(append(line, "--"), names...)
	}
	return line
}
