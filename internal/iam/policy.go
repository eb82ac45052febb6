// Package iam decides who may do what in an AWS account, from the documents that AWS returns.
//
// Every answer is Yes, No or Depends. Depends names the condition keys and the statements that
// use them. Whatever the package does not understand makes an answer Depends, never Yes or No:
// an unknown operator, a malformed value, a document that nobody could read. Answers are upper
// bounds where AWS shows nobody the policy: those of sessions and of VPC endpoints.
//
// The package calls nobody and reads no files. Its facts come from AWS's guides; comments name
// the chapter, such as reference_policies_evaluation-logic of the IAM User Guide.
package iam

import (
	"fmt"
	"strconv"
	"strings"

	"purser/internal/credential"
)

// Verdict is a three-valued answer. Its order is that of Kleene's logic: "and" is the lesser of
// two, "or" the greater.
type Verdict uint8

// The verdicts.
const (
	No Verdict = iota
	Depends
	Yes
)

// String returns "no", "depends" or "yes".
func (v Verdict) String() string { return [...]string{"no", "depends", "yes"}[v] }

func not(v Verdict) Verdict { return Yes - v }

func verdict(yes bool) Verdict {
	if yes {
		return Yes
	}
	return No
}

// Kind is the part that a policy plays in a decision.
type Kind uint8

// The kinds of policy.
const (
	IdentityPolicy Kind = iota
	BoundaryPolicy
	SessionPolicy
	SCP
	RCP
	KeyPolicy
	TrustPolicy
	ResourcePolicy
	KeyGrant
	kinds
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"identity policy", "permissions boundary", "session policy", "service control policy", "resource control policy", "key policy", "trust policy", "resource policy", "grant"}[k]
}

// Policy is a parsed document under the name that it has for people: an ARN, or the name of an
// inline policy. Policies that Cache parsed share the Document of equal texts.
type Policy struct {
	Name string
	*Document
}

// Document is what a policy says.
type Document struct {
	Version    string // "2008-10-17" by default
	Statements []*Statement
	// Remarks are oddities that change no decision but that a person should see.
	Remarks []Remark
}

// Statement is one statement of a document.
type Statement struct {
	Index int    // from 1
	Sid   string // as written: quote it before you show it
	Line  int    // from 1, in the decoded document
	Allow bool   // false: Deny

	who              *principals // nil: the statement has no Principal
	exceptWho        bool        // NotPrincipal
	actions          []pattern
	exceptActions    bool // NotAction
	resources        []arnPattern
	exceptResources  bool // NotResource
	variables        bool // a resource has a policy variable
	conditions       []condition
	unread           string // why the document could not be read
	serviceOfActions string // the one service of all actions, "" for several or any
}

// Remark is an oddity of a statement.
type Remark struct {
	Statement *Statement
	Text      string // what is odd, without anything of the document
}

// Ref is a statement as evidence. Grants have no statement.
type Ref struct {
	Kind      Kind
	Policy    string
	Statement *Statement
}

// String names the statement, with everything that others wrote quoted.
func (r Ref) String() string {
	text := r.Kind.String() + " " + credential.Quote(r.Policy)
	if s := r.Statement; s != nil && s.unread == "" {
		text += fmt.Sprintf(", statement %d", s.Index)
		if s.Sid != "" {
			text += " (" + credential.Quote(s.Sid) + ")"
		}
		text += fmt.Sprintf(", line %d", s.Line)
	}
	return text
}

// Unknown is one thing that a decision depends on.
type Unknown struct {
	Key string // the condition key as the policy spells it; "" if it is no condition
	Why string // set if Key is not, or if a condition cannot be evaluated
	Ref
}

// String says what is unknown and where it is used.
func (u Unknown) String() string {
	what := credential.Quote(u.Key)
	if u.Why != "" && what != "" {
		what += ": "
	}
	return strings.TrimSpace(what + u.Why + " in " + u.Ref.String())
}

// Unread returns a policy that stands for a document that could not be read. It may allow and
// may deny everything, so decisions that it could change become Depends.
func Unread(name, why string) *Policy {
	statement := func(allow bool) *Statement {
		return &Statement{Allow: allow, unread: why, exceptActions: true, exceptResources: true, who: &principals{star: true}}
	}
	return &Policy{name, &Document{Version: "2012-10-17", Statements: []*Statement{statement(true), statement(false)}}}
}

// ParseError says where a document is malformed. It repeats nothing of the document but its
// name and the statement's Sid, both quoted.
type ParseError struct {
	Policy       string
	Line, Column int    // from 1, in the decoded document
	Statement    int    // from 1; 0: outside of statements
	Sid          string // "": none
	Problem      string
}

func (e *ParseError) Error() string {
	text := credential.Quote(e.Policy) + ":" + strconv.Itoa(e.Line) + ":" + strconv.Itoa(e.Column) + ": "
	if e.Statement > 0 {
		text += "statement " + strconv.Itoa(e.Statement)
		if e.Sid != "" {
			text += " (" + credential.Quote(e.Sid) + ")"
		}
		text += ": "
	}
	return text + e.Problem
}
