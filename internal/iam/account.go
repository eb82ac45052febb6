package iam

import (
	"slices"
	"strings"
)

// Account is one account with the principals that were read from it. Fill it before you call
// Who or Reach; they index it. It is not for concurrent use.
type Account struct {
	ID         string
	Principals []*Principal
	// SCPs and RCPs are the control policies of each level of the organization that binds the
	// account; a level without one allows nothing. Without levels, answers are upper bounds.
	SCPs, RCPs [][]*Policy

	ready   bool
	shelves map[string]shelf // of statements about one service; "": about several
	holders map[*Document][]holder
	byName  map[string][]*Principal // by name in lower case, which ARNs of sessions share
}

// shelf has documents by the text with which a resource must begin.
type shelf map[string][]*Document

// holder is a principal that has a document, under a name.
type holder struct {
	*Principal
	policy *Policy
}

// Access is what a principal may do with a resource.
type Access struct {
	Principal *Principal
	Decisions []Decision // one for each action, in their order
}

// Decide answers a request. It uses the account's control policies: the service control policies
// if the principal belongs to the account, the resource control policies if the resource does.
func (a *Account) Decide(r Request) Decision {
	q := ask(r.Action, r.Resource)
	return a.decide(q, r.Principal, r.Context)
}

func (a *Account) decide(q *asked, p *Principal, c Context) Decision {
	p.prepare()
	var scps, rcps [][]*Policy
	if p.Account == a.ID {
		scps = a.SCPs
	}
	if q.resource.Account == a.ID {
		rcps = a.RCPs
	}
	return q.decide(&env{p, q.resource, c, q.action}, scps, rcps)
}

// index prepares the account for Who.
func (a *Account) index() {
	if a.ready {
		return
	}
	a.ready = true
	a.shelves, a.holders = map[string]shelf{}, map[*Document][]holder{}
	a.byName = map[string][]*Principal{}
	for _, p := range a.Principals {
		name := strings.ToLower(p.name())
		a.byName[name] = append(a.byName[name], p)
		for _, policy := range p.Policies {
			d := policy.Document
			if a.holders[d] == nil {
				a.shelve(d)
			}
			a.holders[d] = append(a.holders[d], holder{p, policy})
		}
	}
}

func (a *Account) shelve(d *Document) {
	for _, s := range d.Statements {
		at := a.shelves[s.serviceOfActions]
		if at == nil {
			at = shelf{}
			a.shelves[s.serviceOfActions] = at
		}
		for _, prefix := range s.prefixes() {
			if there := at[prefix]; len(there) == 0 || there[len(there)-1] != d {
				at[prefix] = append(there, d)
			}
		}
	}
}

// prefixes returns the texts with one of which a resource of the statement begins.
func (s *Statement) prefixes() (all []string) {
	if s.exceptResources || s.resources == nil {
		return []string{""}
	}
	for i := range s.resources {
		prefix := s.resources[i].whole.prefix
		prefix, _, _ = strings.Cut(prefix, ":iam:") // names in IAM may differ in case
		all = append(all, prefix)
	}
	return all
}

// concerning returns the documents that may have a statement about a service and a resource.
func (a *Account) concerning(service string, r *Resource) (all []*Document) {
	seen := map[*Document]bool{}
	concerns := func(s *Statement) bool {
		return (s.serviceOfActions == service || s.serviceOfActions == "") && s.matchResource(r, nil) != No
	}
	for _, at := range []shelf{a.shelves[service], a.shelves[""]} {
		for n := 0; n <= len(r.ARN) && len(at) > 0; n++ {
			for _, d := range at[r.ARN[:n]] {
				if !seen[d] && slices.ContainsFunc(d.Statements, concerns) {
					seen[d] = true
					all = append(all, d)
				}
			}
		}
	}
	return all
}

// Who returns everybody who may, or might, do at least one of the actions: principals of the
// account in its order, then those that the resource's policy and grants name outside of it. It
// leaves out those with No for every action; Decide has their reasons.
func (a *Account) Who(actions []string, r *Resource, c Context) []Access {
	a.index()
	found := map[*Principal]bool{}
	var outside []*Principal
	questions := make([]*asked, len(actions))
	concerning := map[string][]*Document{}
	for i, action := range actions {
		q := ask(action, r)
		q.held = map[*Principal][]*Policy{}
		questions[i] = q
		service, _, _ := strings.Cut(q.action, ":")
		if _, known := concerning[service]; !known {
			concerning[service] = a.concerning(service, r)
		}
		for _, d := range concerning[service] {
			hits := q.in(d)
			if len(hits) == 0 {
				continue
			}
			allows := slices.ContainsFunc(hits, func(h hit) bool { return h.Allow })
			for _, h := range a.holders[d] {
				q.held[h.Principal] = append(q.held[h.Principal], h.policy)
				if allows {
					found[h.Principal] = true
				}
			}
		}
		outside = append(outside, a.named(q, found)...)
	}
	var all []Access
	try := func(p *Principal) {
		access, some := Access{Principal: p, Decisions: make([]Decision, len(actions))}, false
		for i, q := range questions {
			access.Decisions[i] = a.decide(q, p, c)
			some = some || access.Decisions[i].Verdict != No
		}
		if some {
			all = append(all, access)
		}
	}
	for _, p := range a.Principals {
		if found[p] || p.Unseen || p.Kind == Root {
			try(p)
		}
	}
	seen := map[identity]bool{}
	for _, p := range outside {
		if id := p.identity(); !seen[id] {
			seen[id] = true
			try(p)
		}
	}
	return all
}

// named marks the account's principals that the resource's policy and grants name, and returns
// the others.
func (a *Account) named(q *asked, found map[*Principal]bool) (outside []*Principal) {
	everybody := func() {
		for _, p := range a.Principals {
			found[p] = true
		}
	}
	aws := func(text string) {
		account, isAccount := accountOf(text)
		segments := splitARN(text, false)
		switch {
		case text == "*":
			everybody()
			outside = append(outside, &Principal{Kind: Anonymous})
		case isUniqueID(text), isAccount && account == a.ID:
		case isAccount:
			outside = append(outside, &Principal{Kind: OtherAccount, ARN: "arn:aws:iam::" + account + ":root", Account: account})
		case len(segments) != 6:
		case segments[4] != a.ID:
			outside = append(outside, outsider(text, segments))
		case strings.ContainsAny(text, "*?"):
			everybody()
		default:
			name := segments[5][strings.IndexByte(segments[5], '/')+1:]
			if segments[2] == "sts" {
				name, _, _ = strings.Cut(name, "/")
			}
			for _, p := range a.byName[strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])] {
				found[p] = true
			}
		}
	}
	if p := q.resource.Policy; p != nil {
		for _, h := range q.in(p.Document) {
			switch {
			case !h.Allow || h.who == nil:
				continue
			case h.who.star || h.exceptWho:
				aws("*")
			}
			if h.exceptWho {
				continue
			}
			for _, text := range h.who.aws {
				aws(text)
			}
			for _, name := range h.who.service {
				outside = append(outside, &Principal{Kind: ServicePrincipal, ARN: name})
			}
			for _, name := range h.who.federated {
				outside = append(outside, &Principal{Kind: Federated, ARN: name})
			}
			if h.who.canonical != nil {
				everybody()
			}
		}
	}
	for _, g := range q.resource.Grants {
		if strings.Contains(g.Grantee, ".") && !strings.Contains(g.Grantee, ":") {
			outside = append(outside, &Principal{Kind: ServicePrincipal, ARN: g.Grantee})
			continue
		}
		aws(g.Grantee)
	}
	return outside
}

// outsider returns a principal of another account, whose own policies are not known.
func outsider(arn string, segments []string) *Principal {
	p := &Principal{Kind: User, ARN: arn, Account: segments[4], Unseen: true}
	if role, session, ok := strings.Cut(strings.TrimPrefix(segments[5], "assumed-role/"), "/"); ok && segments[2] == "sts" {
		p.Kind, p.Session, p.ARN = Role, session, "arn:"+segments[1]+":iam::"+segments[4]+":role/"+role
	} else if strings.HasPrefix(segments[5], "role/") {
		p.Kind = Role
	}
	return p
}
