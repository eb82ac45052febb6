package iam

import "strings"

// State is what is known of a condition key.
type State uint8

// The states of a key. Keys that nobody gave are Unknown.
const (
	Unsure  State = iota // it may be absent, or have any value
	Absent               // the request does not have it
	Present              // the request has it, with an unknown value
	Known                // the request has it with these values
)

// Value is what is known of a condition key in a request.
type Value struct {
	State  State
	Values []string
	Begin  string // of a Present value: how it begins, if that is known
}

var (
	unknown = Value{}
	absent  = Value{State: Absent}
	present = Value{State: Present}
)

// Is returns the value of a key that a request has.
func Is(values ...string) Value {
	if len(values) == 0 {
		return absent
	}
	return Value{State: Known, Values: values}
}

// Context has what is known of a request beyond its principal and resource. Its keys are
// condition keys in lower case; IAM ignores their case.
type Context map[string]Value

// env is a request as conditions and variables see it.
type env struct {
	principal *Principal
	resource  *Resource
	context   Context
	action    string // in lower case
}

// lookup returns the value of a key, in lower case. The keys that follow from principal and
// resource are those of reference_policies_condition-keys and of the table "Principal key
// values" in reference_policies_variables.
func (e *env) lookup(key string) Value {
	if v, ok := e.context[key]; ok {
		if v.State == Known && len(v.Values) == 0 {
			return absent
		}
		return v
	}
	p, r := e.principal, e.resource
	if name, ok := strings.CutPrefix(key, "aws:principaltag/"); ok && p.inIAM() {
		return p.tag(name)
	}
	if service, name, ok := strings.Cut(key, ":resourcetag/"); ok && (service == "aws" || service == r.service()) {
		return tag(r.Tags, r.TagsUnread, name)
	}
	switch key {
	case "aws:principalarn":
		if p.inIAM() {
			return Is(p.ARN)
		}
	case "aws:principalaccount", "kms:calleraccount":
		if p.Account != "" {
			return Is(p.Account)
		}
	case "aws:principaltype":
		switch p.Kind {
		case User:
			return Is("User")
		case Role:
			return Is("AssumedRole")
		case Root:
			return Is("Account")
		}
	case "aws:username":
		if p.Kind == User {
			return Is(p.name())
		}
		if p.Kind != OtherAccount && p.Kind != Anonymous {
			return absent
		}
	case "aws:userid":
		switch {
		case p.Kind == Role && p.ID == "":
			return present
		case p.Kind == Role && p.Session == "":
			return Value{State: Present, Begin: p.ID + ":"}
		case p.Kind == Role:
			return Is(p.ID + ":" + p.Session)
		case p.Kind == User && p.ID != "":
			return Is(p.ID)
		case p.Kind == Root:
			return Is(p.Account)
		}
	case "aws:tokenissuetime":
		if p.Kind == Role {
			return present
		}
	case "aws:principalisawsservice":
		if p.inIAM() {
			return Is("false")
		}
		if p.Kind == ServicePrincipal {
			return Is("true")
		}
	case "aws:principalservicename":
		if p.inIAM() {
			return absent
		}
		if p.Kind == ServicePrincipal {
			return Is(p.ARN)
		}
	case "aws:resourceaccount":
		if r.Account != "" {
			return Is(r.Account)
		}
	case "aws:requestedregion":
		if len(r.segments) == 6 && r.segments[3] != "" {
			return Is(r.segments[3])
		}
	}
	return unknown
}

// tag returns a tag's value. IAM ignores the case of its name, and says nothing of two names
// that differ in case alone.
func tag(tags map[string]string, unread bool, name string) Value {
	if unread {
		return unknown
	}
	found := absent
	for k, v := range tags {
		if strings.EqualFold(k, name) {
			if found.State == Known {
				return present
			}
			found = Is(v)
		}
	}
	return found
}
