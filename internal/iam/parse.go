package iam

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// maxDocument is far above AWS's limits (32 KiB for a key policy), which do not count white space.
	maxDocument = 1 << 20
	// maxDepth is that of a condition's value: policy, Statement, statement, Condition, operator, key, value.
	maxDepth = 8
)

// Cache parses documents and shares those that are equal.
type Cache map[[sha256.Size]byte]*Document

// Parse is like the function Parse. It parses equal documents once.
func (c Cache) Parse(name string, doc []byte) (*Policy, error) {
	sum := sha256.Sum256(doc)
	if known := c[sum]; known != nil {
		return &Policy{name, known}, nil
	}
	p, err := Parse(name, doc)
	if err == nil {
		c[sum] = p.Document
	}
	return p, err
}

// Parse reads a policy document. It takes JSON as IAM does, and URL-encoded JSON (RFC 3986) as
// GetAccountAuthorizationDetails returns it. Errors are *ParseError.
func Parse(name string, doc []byte) (*Policy, error) {
	r := &reader{name: name, doc: doc}
	if len(doc) > 3*maxDocument {
		return nil, r.problem(0, "the document is longer than 1 MiB")
	}
	if text := bytes.TrimSpace(doc); len(text) > 0 && text[0] == '%' { // no JSON begins with it
		plain, err := url.PathUnescape(string(text)) // + stands for itself
		if err != nil {
			return nil, r.problem(0, "the URL encoding is malformed")
		}
		r.doc = []byte(plain)
	}
	return r.policy()
}

// node is a JSON value with its place.
type node struct {
	at      int
	what    rune // '{', '[', '"' for a string, 't' for a number or boolean, 'n' for null
	text    string
	names   []node // of an object's members
	members []node // of an object or array
}

type reader struct {
	name      string
	doc       []byte
	dec       *json.Decoder
	statement int
	sid       string
	remarks   []Remark
}

func (r *reader) problem(at int, format string, args ...any) error {
	at = min(at, len(r.doc))
	before := r.doc[:at]
	line := bytes.LastIndexByte(before, '\n') + 1
	return &ParseError{
		Policy: r.name, Line: bytes.Count(before, []byte("\n")) + 1, Column: utf8.RuneCount(before[line:]) + 1,
		Statement: r.statement, Sid: r.sid, Problem: fmt.Sprintf(format, args...),
	}
}

func (r *reader) policy() (*Policy, error) {
	switch {
	case len(r.doc) > maxDocument:
		return nil, r.problem(0, "the document is longer than 1 MiB")
	case bytes.HasPrefix(r.doc, []byte("\ufeff")):
		return nil, r.problem(0, "the document begins with a byte order mark; remove it")
	case !utf8.Valid(r.doc):
		return nil, r.problem(invalid(r.doc), "the document is not UTF-8")
	}
	r.dec = json.NewDecoder(bytes.NewReader(r.doc))
	r.dec.UseNumber()
	top, err := r.value(1)
	if err != nil {
		return nil, err
	}
	end := int(r.dec.InputOffset())
	if rest := bytes.TrimLeft(r.doc[end:], " \t\r\n"); len(rest) > 0 {
		return nil, r.problem(len(r.doc)-len(rest), "text follows the document")
	}
	if top.what != '{' {
		return nil, r.problem(top.at, "a policy must be a JSON object")
	}
	d := &Document{Version: "2008-10-17"} // the default (reference_policies_elements_version)
	var statements *node
	for i, name := range top.names {
		v := &top.members[i]
		switch name.text {
		case "Version":
			if d.Version = v.text; v.what != '"' || v.text != "2008-10-17" && v.text != "2012-10-17" {
				return nil, r.problem(v.at, "Version must be 2012-10-17 or 2008-10-17")
			}
		case "Id":
			if v.what != '"' {
				return nil, r.problem(v.at, "Id must be a string")
			}
		case "Statement":
			statements = v
		default:
			return nil, r.problem(name.at, "a policy has no such key; it has Version, Id and Statement")
		}
	}
	if statements == nil {
		return nil, r.problem(top.at, "the policy has no Statement")
	}
	all := []node{*statements}
	if statements.what == '[' {
		all = statements.members
	}
	for i := range all {
		s, err := r.readStatement(i+1, &all[i], d.Version == "2012-10-17")
		if err != nil {
			return nil, err
		}
		d.Statements = append(d.Statements, s)
	}
	d.Remarks = r.remarks
	return &Policy{r.name, d}, nil
}

func invalid(doc []byte) int {
	for i := 0; i < len(doc); {
		r, n := utf8.DecodeRune(doc[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(doc)
}

// next returns where the next token begins.
func (r *reader) next() int {
	at := int(r.dec.InputOffset())
	for at < len(r.doc) && strings.IndexByte(" \t\r\n,:", r.doc[at]) >= 0 {
		at++
	}
	return at
}

func (r *reader) token() (json.Token, int, error) {
	at := r.next()
	t, err := r.dec.Token()
	if err != nil { // its text may quote the document
		return nil, at, r.problem(at, "the document is not valid JSON from here on")
	}
	return t, at, nil
}

func (r *reader) value(depth int) (node, error) {
	t, at, err := r.token()
	if err != nil {
		return node{}, err
	}
	n := node{at: at}
	switch t := t.(type) {
	case string:
		n.what, n.text = '"', t
	case json.Number:
		n.what, n.text = 't', t.String()
	case bool:
		n.what, n.text = 't', map[bool]string{true: "true", false: "false"}[t]
	case nil:
		n.what = 'n'
	case json.Delim:
		n.what = rune(t)
		if depth > maxDepth {
			return n, r.problem(at, "the document is nested too deeply for a policy")
		}
		var seen map[string]bool
		if n.what == '{' {
			seen = map[string]bool{}
		}
		for r.dec.More() {
			if n.what == '{' {
				t, at, err := r.token()
				if err != nil {
					return n, err
				}
				name, _ := t.(string)
				if seen[name] {
					return n, r.problem(at, "the key is a duplicate")
				}
				seen[name] = true
				n.names = append(n.names, node{at: at, text: name})
			}
			v, err := r.value(depth + 1)
			if err != nil {
				return n, err
			}
			n.members = append(n.members, v)
		}
		_, _, err = r.token() // the end
	}
	return n, err
}

// readStatement follows the grammar in reference_policies_grammar. Role trust policies have no
// Resource, so the decision judges a missing one.
func (r *reader) readStatement(index int, n *node, variables bool) (*Statement, error) {
	r.statement, r.sid = index, ""
	defer func() { r.statement, r.sid = 0, "" }()
	if n.what != '{' {
		return nil, r.problem(n.at, "a statement must be a JSON object")
	}
	member := map[string]*node{}
	for i, name := range n.names {
		member[name.text] = &n.members[i]
	}
	s := &Statement{Index: index, Line: bytes.Count(r.doc[:n.at], []byte("\n")) + 1}
	if sid := member["Sid"]; sid != nil {
		if sid.what != '"' {
			return nil, r.problem(sid.at, "Sid must be a string")
		}
		s.Sid, r.sid = sid.text, sid.text
	}
	for _, name := range n.names {
		if !slices.Contains([]string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}, name.text) {
			return nil, r.problem(name.at, "a statement has no such key")
		}
	}
	effect := member["Effect"]
	if effect == nil {
		return nil, r.problem(n.at, "the statement has no Effect")
	}
	if s.Allow = effect.text == "Allow"; effect.what != '"' || !s.Allow && effect.text != "Deny" {
		return nil, r.problem(effect.at, "Effect must be Allow or Deny")
	}
	either := func(name string) (n2 *node, negated bool, err error) {
		yes, no := member[name], member["Not"+name]
		if yes != nil && no != nil {
			return nil, false, r.problem(no.at, "%s and Not%[1]s exclude each other", name)
		}
		if yes != nil {
			return yes, false, nil
		}
		return no, no != nil, nil
	}
	var principal, action, resource *node
	var err error
	if principal, s.exceptWho, err = either("Principal"); err != nil {
		return nil, err
	}
	if action, s.exceptActions, err = either("Action"); err != nil {
		return nil, err
	}
	if resource, s.exceptResources, err = either("Resource"); err != nil {
		return nil, err
	}
	if action == nil {
		return nil, r.problem(n.at, "the statement has neither Action nor NotAction")
	}
	if principal != nil {
		if s.who, err = r.principals(s, principal); err != nil {
			return nil, err
		}
	}
	texts, err := r.strings(action, "Action")
	if err != nil {
		return nil, err
	}
	for _, text := range texts {
		r.plain(s, text, "an action")
		s.actions = append(s.actions, compile(strings.ToLower(text), true, false))
	}
	s.serviceOfActions = serviceOf(s.actions, s.exceptActions)
	if resource != nil {
		if texts, err = r.strings(resource, "Resource"); err != nil {
			return nil, err
		}
		for _, text := range texts {
			r.plain(s, text, "a resource")
			a := compileARN(text, variables)
			s.variables = s.variables || a.whole.vars != nil
			s.resources = append(s.resources, a)
		}
	}
	if c := member["Condition"]; c != nil {
		err = r.conditions(s, c, variables)
	}
	return s, err
}

// serviceOf returns the service that all actions share.
func serviceOf(actions []pattern, except bool) string {
	service := ""
	for i, a := range actions {
		name, _, colon := strings.Cut(a.prefix, ":")
		if !colon || except || i > 0 && name != service {
			return ""
		}
		service = name
	}
	return service
}

// strings returns a string or a list of strings.
func (r *reader) strings(n *node, name string) ([]string, error) {
	all := []node{*n}
	if n.what == '[' {
		if all = n.members; len(all) == 0 {
			return nil, r.problem(n.at, "%s is empty", name)
		}
	}
	texts := make([]string, len(all))
	for i, v := range all {
		if texts[i] = v.text; v.what != '"' {
			return nil, r.problem(v.at, "%s must be a string or a list of strings", name)
		}
	}
	return texts, nil
}

func (r *reader) principals(s *Statement, n *node) (*principals, error) {
	p := &principals{}
	if n.what == '"' && n.text == "*" {
		p.star = true
		return p, nil
	}
	if n.what != '{' {
		return nil, r.problem(n.at, `Principal must be "*" or an object`)
	}
	for i, name := range n.names {
		texts, err := r.strings(&n.members[i], "Principal")
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			r.plain(s, text, "a principal")
			if name.text == "AWS" && isUniqueID(text) {
				r.remark(s, "a principal was deleted; its id matches nobody")
			}
		}
		switch name.text {
		case "AWS":
			p.aws = append(p.aws, texts...)
		case "Service":
			p.service = append(p.service, texts...)
		case "Federated":
			p.federated = append(p.federated, texts...)
		case "CanonicalUser":
			p.canonical = append(p.canonical, texts...)
		default:
			return nil, r.problem(name.at, "a principal is AWS, Service, Federated or CanonicalUser")
		}
	}
	return p, nil
}

func (r *reader) conditions(s *Statement, n *node, variables bool) error {
	if n.what != '{' {
		return r.problem(n.at, "Condition must be an object")
	}
	for i, operator := range n.names {
		keys := n.members[i]
		if keys.what != '{' {
			return r.problem(keys.at, "a condition operator must have an object of keys")
		}
		for j, key := range keys.names {
			values := []node{keys.members[j]}
			if values[0].what == '[' {
				values = values[0].members
			}
			c := condition{Key: key.text, key: strings.ToLower(key.text)}
			c.parse(operator.text)
			r.plain(s, operator.text+key.text, "a condition")
			for _, v := range values {
				if v.what != '"' && v.what != 't' {
					return r.problem(v.at, "a condition's value must be a string, number or boolean, or a list of them")
				}
				c.add(v.text, variables)
			}
			s.conditions = append(s.conditions, c)
		}
	}
	return nil
}

// plain remarks on characters outside of ASCII, which can look like others.
func (r *reader) plain(s *Statement, text, what string) {
	if strings.ContainsFunc(text, func(c rune) bool { return c > unicode.MaxASCII }) {
		r.remark(s, what+" has characters outside of ASCII, which may look like others")
	}
}

func (r *reader) remark(s *Statement, text string) {
	if n := len(r.remarks); n == 0 || r.remarks[n-1] != (Remark{s, text}) {
		r.remarks = append(r.remarks, Remark{s, text})
	}
}
