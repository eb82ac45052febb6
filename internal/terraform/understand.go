package terraform

import (
	"cmp"
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"purser/internal/credential"
)

// reader interprets a folder's blocks.
type reader struct {
	c      *Configuration
	blocks []block
	eval   *hcl.EvalContext
}

// arnOf and an address stand for the unknown ARN of a secret. No ARN looks like this.
const arnOf = "arn-of:"

// scope defines what expressions may refer to: variables with defaults, locals, and secrets.
// Everything else is unknown.
func (r *reader) scope() {
	variables, locals := map[string]cty.Value{}, map[string]cty.Value{}
	made, looked := map[string]cty.Value{}, map[string]cty.Value{}
	r.eval = &hcl.EvalContext{
		Functions: map[string]function.Function{
			"jsonencode": stdlib.JSONEncodeFunc, "format": stdlib.FormatFunc, "join": stdlib.JoinFunc, "concat": stdlib.ConcatFunc,
			"lower": stdlib.LowerFunc, "upper": stdlib.UpperFunc, "replace": stdlib.ReplaceFunc, "trimspace": stdlib.TrimSpaceFunc,
		},
	}
	for _, b := range r.blocks {
		switch {
		case b.Type == "variable" && len(b.Labels) == 1:
			variables[b.Labels[0]] = cty.DynamicVal
			if a := b.Body.Attributes["default"]; a != nil {
				if v, problems := a.Expr.Value(nil); !problems.HasErrors() {
					variables[b.Labels[0]] = v
				}
			}
		case b.is("aws_secretsmanager_secret"):
			self := cty.StringVal(arnOf + b.address())
			value := cty.ObjectVal(map[string]cty.Value{"arn": self, "id": self, "name": cty.DynamicVal})
			if b.Type == "data" {
				looked[b.Labels[1]] = value
			} else {
				made[b.Labels[1]] = value
			}
		}
	}
	r.eval.Variables = map[string]cty.Value{
		"var": object(variables), "aws_secretsmanager_secret": object(made),
		"data": cty.ObjectVal(map[string]cty.Value{"aws_secretsmanager_secret": object(looked)}),
	}
	// Locals may refer to each other in any order. Each round resolves more of them.
	const rounds = 5
	for range rounds {
		r.eval.Variables["local"] = object(locals)
		for _, b := range r.blocks {
			if b.Type != "locals" {
				continue
			}
			for name, a := range b.Body.Attributes {
				if v, problems := a.Expr.Value(r.eval); !problems.HasErrors() {
					locals[name] = v
				}
			}
		}
	}
	r.eval.Variables["local"] = object(locals)
}

func object(values map[string]cty.Value) cty.Value {
	if len(values) == 0 {
		return cty.EmptyObjectVal
	}
	return cty.ObjectVal(values)
}

// text evaluates an attribute to text. If it is there but cannot be evaluated, text adds a note.
func (r *reader) text(b block, name string) (text string, ok bool) {
	if text, ok = r.textOf(b.Body, name); !ok && b.Body.Attributes[name] != nil {
		r.note(b.Body.Attributes[name].SrcRange, b.address()+": "+name+" depends on something outside these files")
	}
	return text, ok
}

func (r *reader) note(at hcl.Range, text string) {
	if note := place(at) + ": " + credential.Quote(text); !slices.Contains(r.c.Notes, note) {
		r.c.Notes = append(r.c.Notes, note)
	}
}

func (r *reader) provider() {
	for _, b := range r.blocks {
		if b.Type != "provider" || len(b.Labels) != 1 || b.Labels[0] != "aws" || b.Body.Attributes["alias"] != nil {
			continue
		}
		r.c.Profile, _ = r.text(b, "profile")
		r.c.Region, _ = r.text(b, "region")
	}
}

func (r *reader) secrets() {
	for _, b := range r.blocks {
		if !b.is("aws_secretsmanager_secret") || b.Type != "resource" && b.Type != "data" {
			continue
		}
		s := Secret{Address: b.address(), At: b.at(), Data: b.Type == "data", Region: r.c.Region}
		var ok bool
		if s.Name, ok = r.text(b, "name"); !ok {
			if b.Body.Attributes["name"] == nil {
				r.note(b.DefRange(), s.Address+" has no name")
			}
			continue
		}
		s.Description, _ = r.text(b, "description")
		s.KMSKey, _ = r.text(b, "kms_key_id")
		if region, ok := r.text(b, "region"); ok {
			s.Region = region
		}
		r.c.Secrets = append(r.c.Secrets, s)
	}
}

// readers finds policies that allow reading a secret's value.
func (r *reader) readers() {
	for _, b := range r.blocks {
		var who string
		switch {
		case b.Type != "resource":
			continue
		case b.is("aws_iam_policy"):
			name, ok := r.text(b, "name")
			if !ok {
				continue
			}
			who = "policy/" + name
		case b.is("aws_iam_role_policy"):
			name, ok := r.role(b)
			if !ok {
				continue
			}
			who = "role/" + name
		default:
			continue
		}
		for _, s := range r.statements(b) {
			r.grant(who, s)
		}
	}
}

// role returns the name of the role that an inline policy belongs to, resolving a reference to it.
func (r *reader) role(b block) (string, bool) {
	a := b.Body.Attributes["role"]
	if a == nil {
		return "", false
	}
	for _, t := range a.Expr.Variables() {
		if t.RootName() != "aws_iam_role" || len(t) < 2 {
			continue
		}
		if step, ok := t[1].(hcl.TraverseAttr); ok {
			for _, role := range r.blocks {
				if role.is("aws_iam_role") && role.Labels[1] == step.Name {
					return r.text(role, "name")
				}
			}
		}
	}
	return r.text(b, "role")
}

// statement is an IAM policy statement.
type statement struct {
	Effect    string
	Action    list
	Resource  list
	Condition json.RawMessage
}

// list is one string or several, as in IAM's JSON.
type list []string

// UnmarshalJSON accepts both.
func (l *list) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*l = list{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(l))
}

// statements reads a resource's policy: JSON, or a policy document in the same folder.
func (r *reader) statements(b block) []statement {
	a := b.Body.Attributes["policy"]
	if a == nil {
		return nil
	}
	for _, t := range a.Expr.Variables() {
		if t.RootName() != "data" || len(t) < 3 {
			continue
		}
		kind, _ := t[1].(hcl.TraverseAttr)
		name, _ := t[2].(hcl.TraverseAttr)
		if kind.Name == "aws_iam_policy_document" {
			return r.document(name.Name)
		}
	}
	text, ok := r.text(b, "policy")
	if !ok {
		return nil
	}
	var policy struct {
		Statement json.RawMessage `json:"Statement"`
	}
	var all []statement
	if json.Unmarshal([]byte(text), &policy) == nil && json.Unmarshal(policy.Statement, &all) != nil {
		var one statement
		if json.Unmarshal(policy.Statement, &one) == nil {
			all = []statement{one}
		}
	}
	if len(all) == 0 {
		r.note(a.SrcRange, b.address()+": purser does not understand its policy")
	}
	return all
}

// document reads a data "aws_iam_policy_document".
func (r *reader) document(name string) []statement {
	var all []statement
	for _, b := range r.blocks {
		if b.Type != "data" || !b.is("aws_iam_policy_document") || b.Labels[1] != name {
			continue
		}
		for _, s := range b.Body.Blocks {
			if s.Type != "statement" {
				continue
			}
			effect, _ := r.textOf(s.Body, "effect")
			all = append(all, statement{Effect: cmp.Or(effect, "Allow"), Action: r.texts(b, s.Body, "actions"), Resource: r.texts(b, s.Body, "resources")})
		}
	}
	return all
}

func (r *reader) textOf(body *hclsyntax.Body, name string) (string, bool) {
	a := body.Attributes[name]
	if a == nil {
		return "", false
	}
	v, problems := a.Expr.Value(r.eval)
	if problems.HasErrors() || !v.IsWhollyKnown() || v.IsNull() || v.Type() != cty.String {
		return "", false
	}
	return v.AsString(), true
}

func (r *reader) texts(b block, body *hclsyntax.Body, name string) list {
	a := body.Attributes[name]
	if a == nil {
		return nil
	}
	v, problems := a.Expr.Value(r.eval)
	if problems.HasErrors() || !v.IsWhollyKnown() || v.IsNull() || !v.CanIterateElements() {
		r.note(a.SrcRange, b.address()+": "+name+" depends on something outside these files")
		return nil
	}
	var all list
	for it := v.ElementIterator(); it.Next(); {
		if _, e := it.Element(); e.Type() == cty.String {
			all = append(all, e.AsString())
		}
	}
	return all
}

// grant adds a policy's readers to the secrets that it covers.
func (r *reader) grant(who string, s statement) {
	if s.Effect != "Allow" || !slices.ContainsFunc(s.Action, reads) {
		return
	}
	for i := range r.c.Secrets {
		secret := &r.c.Secrets[i]
		covers := func(resource string) bool { return covered(resource, *secret) }
		if slices.ContainsFunc(s.Resource, covers) && !slices.Contains(secret.Readers, who) {
			secret.Readers = append(secret.Readers, who)
		}
	}
}

// reads reports whether an action covers reading a value.
func reads(action string) bool {
	ok, err := path.Match(strings.ToLower(action), "secretsmanager:getsecretvalue")
	return ok && err == nil
}

// covered matches a policy's resource with a secret, whose ARN ends in six characters chosen by AWS.
func covered(resource string, s Secret) bool {
	if resource == "*" || resource == arnOf+s.Address {
		return true
	}
	_, name, ok := strings.Cut(resource, ":secret:")
	return ok && wildcard(name, s.Name+"-xxxxxx")
}

// wildcard matches like IAM: * is any text, ? any character. It backtracks only to the last *, so its
// cost is bounded by the product of the lengths.
func wildcard(pattern, text string) bool {
	p, t, star, from := 0, 0, -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*':
			p, t = p+1, t+1
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, t
			p++
		case star >= 0:
			from++
			p, t = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// valueArguments are the arguments that set a secret's value.
var valueArguments = []string{"secret_string", "secret_binary", "secret_string_wo"}

// risks finds resources that write a value again, at the next apply or when they are recreated.
func (r *reader) risks() {
	for _, b := range r.blocks {
		if b.Type != "resource" || !b.is("aws_secretsmanager_secret_version") {
			continue
		}
		for _, name := range valueArguments {
			if b.Body.Attributes[name] == nil || ignored(b.Body, name) {
				continue
			}
			risk := Risk{Address: credential.Quote(b.address()), At: b.at(), Secret: r.secretOf(b)}
			risk.Change = "lifecycle {\n  ignore_changes = [" + strings.TrimSuffix(name, "_wo") + "]\n}"
			if name == "secret_string_wo" {
				risk.Change = "lifecycle {\n  ignore_changes = [secret_string_wo_version]\n}"
			}
			r.c.Risks = append(r.c.Risks, risk)
			break
		}
	}
}

// secretOf returns the secret that a version belongs to.
func (r *reader) secretOf(b block) string {
	id, ok := r.text(b, "secret_id")
	if !ok {
		return ""
	}
	if address, ref := strings.CutPrefix(id, arnOf); ref {
		for _, s := range r.c.Secrets {
			if s.Address == address {
				return s.Name
			}
		}
		return address
	}
	if _, name, isARN := strings.Cut(id, ":secret:"); isARN {
		if i := strings.LastIndex(name, "-"); i > 0 {
			return name[:i]
		}
	}
	return id
}

// ignored reports whether a lifecycle block makes Terraform ignore changes of an argument.
func ignored(body *hclsyntax.Body, argument string) bool {
	for _, b := range body.Blocks {
		a := b.Body.Attributes["ignore_changes"]
		if b.Type != "lifecycle" || a == nil {
			continue
		}
		if hcl.ExprAsKeyword(a.Expr) == "all" {
			return true
		}
		items, _ := hcl.ExprList(a.Expr)
		for _, item := range items {
			word := hcl.ExprAsKeyword(item)
			if word == argument || argument == "secret_string_wo" && word == "secret_string_wo_version" {
				return true
			}
		}
	}
	return false
}
