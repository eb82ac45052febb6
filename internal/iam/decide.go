package iam

import (
	"slices"
	"strings"
)

// Request asks whether a principal may do something.
type Request struct {
	Principal *Principal
	Action    string // such as kms:Decrypt
	Resource  *Resource
	Context   Context // keys in lower case
}

// Decision is the answer to a request, with its evidence.
type Decision struct {
	Verdict Verdict
	Allows  []Ref     // the statements that grant it, or may
	Denies  []Ref     // of No: the statements that forbid it
	Missing []Kind    // of No without Denies: the kinds of policy that lack an Allow
	Unknown []Unknown // of Depends
}

// answer is a part of a decision. An "and" or "or" of answers keeps the evidence of those that
// decided.
type answer struct {
	Verdict
	by     []Ref
	lacks  []Kind
	unsure []Unknown
}

func and(all ...answer) answer {
	result := answer{Verdict: Yes}
	for _, a := range all {
		result.Verdict = min(result.Verdict, a.Verdict)
	}
	return result.from(all, func(a answer) bool { return a.Verdict == No || result.Verdict != No })
}

func or(all ...answer) answer {
	result := answer{Verdict: No}
	for _, a := range all {
		result.Verdict = max(result.Verdict, a.Verdict)
	}
	return result.from(all, func(a answer) bool { return a.Verdict == result.Verdict })
}

func (a answer) from(all []answer, use func(answer) bool) answer {
	for _, b := range all {
		if !use(b) {
			continue
		}
		a.by = append(a.by, b.by...)
		a.unsure = append(a.unsure, b.unsure...)
		for _, kind := range b.lacks {
			if !slices.Contains(a.lacks, kind) {
				a.lacks = append(a.lacks, kind)
			}
		}
	}
	return a
}

var yes = answer{Verdict: Yes}

func lacks(kind Kind) answer { return answer{lacks: []Kind{kind}} }

// asked is an action on a resource. It keeps which statements of a document concern it.
type asked struct {
	action   string // in lower case
	resource *Resource
	hits     map[*Document][]hit
}

// hit is a statement whose actions and resources match, or may.
type hit struct {
	*Statement
	matched Verdict
	varies  bool // by the principal's variables
}

func ask(action string, r *Resource) *asked {
	r.prepare()
	return &asked{strings.ToLower(action), r, map[*Document][]hit{}}
}

func (q *asked) in(d *Document) []hit {
	hits, known := q.hits[d]
	if !known {
		for _, s := range d.Statements {
			m := s.matchAction(q.action)
			if m != No {
				m = min(m, s.matchResource(q.resource, nil))
			}
			if m != No {
				hits = append(hits, hit{s, m, s.variables})
			}
		}
		q.hits[d] = hits
	}
	return hits
}

// matchAction compares an action in lower case. IAM takes no wildcard in the service, except
// "*" for all.
func (s *Statement) matchAction(action string) Verdict {
	result := No
	for i := range s.actions {
		p := &s.actions[i]
		m := p.match(action, nil)
		if m == Yes && !p.exact && !strings.Contains(p.prefix, ":") && !(len(p.runes) == 1 && p.runes[0] == anyText) {
			m = Depends
		}
		result = max(result, m)
	}
	if s.exceptActions {
		return not(result)
	}
	return result
}

// matchResource compares the resource. Without e, variables may have any value.
func (s *Statement) matchResource(r *Resource, e *env) Verdict {
	if s.resources == nil && !s.exceptResources {
		return Yes // see hit.match
	}
	result := No
	for i := range s.resources {
		p := &s.resources[i]
		m := p.match(r.ARN, r.segments, e)
		if m == No && (s.exceptResources && p.whole.vars != nil && (e == nil || p.whole.lacksValue(e)) || r.service() == "iam" && strings.EqualFold(p.whole.prefix, r.ARN)) {
			m = Depends // names in IAM are unique without their case; a variable may invalidate the statement
		}
		result = max(result, m)
	}
	if s.exceptResources {
		return not(result)
	}
	return result
}

// match completes the match of a statement for a principal. For Depends it says on what.
func (h hit) match(kind Kind, policy string, e *env) (Verdict, []Unknown) {
	ofPrincipal := kind == IdentityPolicy || kind == BoundaryPolicy || kind == SessionPolicy || kind == SCP
	if h.matched == Yes && !h.varies && h.conditions == nil && h.resources != nil && (!ofPrincipal || h.who == nil) {
		return Yes, nil
	}
	result, ref := Yes, Ref{kind, policy, h.Statement}
	var unsure []Unknown
	need := func(v Verdict, why string, keys ...string) {
		if result = min(result, v); v != Depends {
			return
		}
		if keys == nil {
			unsure = append(unsure, Unknown{Why: why, Ref: ref})
		}
		for _, key := range keys {
			unsure = append(unsure, Unknown{key, why, ref})
		}
	}
	switch {
	case h.unread != "":
		need(Depends, h.unread)
		return result, unsure
	case ofPrincipal && h.who != nil:
		need(Depends, "a Principal does not belong here")
	case h.resources == nil && kind != TrustPolicy:
		need(Depends, "there is no Resource")
	}
	need(h.matchAction(e.action), "the wildcard in the service of an action")
	if h.resources != nil {
		var keys []string
		for i := range h.resources {
			keys = append(keys, h.resources[i].whole.unsure(e)...)
		}
		need(h.matchResource(e.resource, e), "the resource", keys...)
	}
	for i := range h.conditions {
		c := &h.conditions[i]
		need(c.match(e), c.problem, c.unsure(e)...)
	}
	return result, unsure
}

// layer evaluates the policies of one kind that bind a principal: whether they allow, and
// whether they deny.
func (q *asked) layer(kind Kind, policies []*Policy, e *env) (allow, deny answer) {
	allow.Verdict = No
	for _, p := range policies {
		for _, h := range q.in(p.Document) {
			m, unsure := h.match(kind, p.Name, e)
			a := answer{Verdict: m, by: []Ref{{kind, p.Name, h.Statement}}, unsure: unsure}
			switch {
			case m == No:
			case h.Allow:
				allow = or(allow, a)
			default:
				deny = or(deny, a)
			}
		}
	}
	if allow.Verdict == No {
		allow = lacks(kind)
	}
	return allow, deny
}

// own evaluates the resource's own policy: what it allows by each grip, and what it denies.
func (q *asked) own(kind Kind, policy *Policy, e *env) (allow [grips]answer, deny answer) {
	for g := range allow {
		allow[g] = lacks(kind)
	}
	if policy == nil {
		return allow, deny
	}
	for _, h := range q.in(policy.Document) {
		if h.who == nil {
			continue // it names nobody
		}
		ref := Ref{kind, policy.Name, h.Statement}
		named := matches{}
		if h.exceptWho {
			named[direct] = h.who.matchExcept(e.principal, h.Allow)
		} else {
			named = h.who.match(e.principal)
		}
		if named.best() == No {
			continue
		}
		m, unsure := h.match(kind, policy.Name, e)
		if m == No {
			continue
		}
		for g, v := range named {
			a := answer{Verdict: min(v, m), by: []Ref{ref}, unsure: unsure}
			if v == Depends {
				u := Unknown{Key: "sts:RoleSessionName", Ref: ref}
				if h.exceptWho || g != int(direct) || e.principal.Kind != Role {
					u.Key, u.Why = "", "whether the principal is the one that is named"
				}
				a.unsure = append(slices.Clip(a.unsure), u)
			}
			switch {
			case v == No:
			case h.Allow:
				allow[g] = or(allow[g], a)
			default:
				deny = or(deny, a)
			}
		}
	}
	return allow, deny
}

// grants evaluates the grants of a key.
func (q *asked) grants(e *env) (allow [grips]answer) {
	for i := range q.resource.Grants {
		g := &q.resource.Grants[i]
		m, keys := g.match(q.action, e)
		ref := Ref{Kind: KeyGrant, Policy: g.ID}
		for grip, v := range m {
			a := answer{Verdict: v, by: []Ref{ref}}
			for _, key := range keys {
				a.unsure = append(a.unsure, Unknown{Key: key, Ref: ref})
			}
			if v == Depends && keys == nil {
				a.unsure = []Unknown{{Key: "sts:RoleSessionName", Ref: ref}}
			}
			if v != No {
				allow[grip] = or(allow[grip], a)
			}
		}
	}
	return allow
}

// levels evaluates control policies: each level of the organization must allow.
func (q *asked) levels(kind Kind, levels [][]*Policy, e *env) (allow, deny answer) {
	allow = yes
	for _, policies := range levels {
		a, d := q.layer(kind, policies, e)
		a.by = nil // it limits, it does not grant
		allow, deny = and(allow, a), or(deny, d)
	}
	return allow, deny
}

// decide follows "How AWS enforcement code logic evaluates requests to allow or deny access"
// (reference_policies_evaluation-logic_policy-eval-denyallow) and, for two accounts,
// reference_policies_evaluation-logic-cross-account.
func (q *asked) decide(e *env, scps, rcps [][]*Policy) Decision {
	p, r := e.principal, q.resource
	kind, required := r.kind()
	own, deny := q.own(kind, r.Policy, e)
	grants := q.grants(e)

	identity, d := q.layer(IdentityPolicy, p.Policies, e)
	deny = or(deny, d)
	switch {
	case p.Kind == Root: // has every right in its account
		identity = yes
	case p.Unseen || p.Kind == OtherAccount:
		seen := answer{Verdict: Depends, unsure: []Unknown{{Why: "policies that purser cannot see", Ref: Ref{Kind: IdentityPolicy, Policy: p.ARN}}}}
		identity, deny = or(identity, seen), or(deny, seen)
	}
	limit := yes
	limits := func(kind Kind, policies []*Policy) {
		a, d := q.layer(kind, policies, e)
		a.by = nil
		limit, deny = and(limit, a), or(deny, d)
	}
	if p.Boundary != nil {
		limits(BoundaryPolicy, []*Policy{p.Boundary})
	}
	if len(p.SessionPolicies) > 0 {
		limits(SessionPolicy, p.SessionPolicies)
	}
	ceiling := yes
	if !p.linked() { // orgs_manage_policies_scps: not service-linked roles
		inIAM := p.Kind == User || p.Kind == Role || p.Kind == Root
		if !inIAM {
			scps = nil
		}
		a, d := q.levels(SCP, scps, e)
		ceiling, deny = and(ceiling, a), or(deny, d)
		a, d = q.levels(RCP, rcps, e)
		ceiling, deny = and(ceiling, a), or(deny, d)
	}

	var grant answer
	switch {
	case p.Kind == ServicePrincipal || p.Kind == Federated || p.Kind == Anonymous:
		grant = or(own[direct], grants[direct])
	case p.Account == r.Account:
		delegated := yes
		if required {
			delegated = own[byAccount]
			if p.Kind == Root {
				delegated = own[direct]
			}
		}
		grant = or(and(identity, limit, delegated), own[direct], and(own[byRole], limit), careful(or(grants[direct], grants[byRole]), limit), careful(grants[byAccount], and(identity, limit)))
	default:
		grant = or(and(or(own[direct], own[byRole], own[byAccount]), identity, limit), careful(or(grants[direct], grants[byRole], grants[byAccount]), and(identity, limit)))
	}

	if deny.Verdict == Yes {
		return Decision{Denies: deny.by}
	}
	allowed := answer{Verdict: not(deny.Verdict), unsure: deny.unsure}
	a := and(grant, ceiling, allowed)
	switch a.Verdict {
	case Yes:
		return Decision{Verdict: Yes, Allows: a.by}
	case Depends:
		return Decision{Verdict: Depends, Allows: a.by, Unknown: a.unsure}
	}
	return Decision{Missing: a.lacks}
}

// careful limits what a grant gives: nothing says whether an Allow that another policy lacks
// matters for a grant.
func careful(grant, limit answer) answer {
	if grant.Verdict == No || limit.Verdict == Yes {
		return grant
	}
	for _, r := range grant.by {
		grant.unsure = append(grant.unsure, Unknown{Why: "whether a grant suffices alone", Ref: r})
	}
	grant.Verdict = Depends
	return grant
}
