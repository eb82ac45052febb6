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

// Decision is the answer to a request, with its evidence. Lists stop at a hundred entries.
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
	lacks  uint16 // kinds, one bit each
	unsure []Unknown
}

var yes = answer{Verdict: Yes}

func lacks(kind Kind) answer { return answer{lacks: 1 << kind} }

func (a answer) and(b answer) answer {
	switch {
	case a.Verdict == No && b.Verdict != No:
		return a
	case b.Verdict == No && a.Verdict != No:
		return b
	}
	return a.merged(b, min(a.Verdict, b.Verdict))
}

func (a answer) or(b answer) answer {
	switch {
	case a.Verdict > b.Verdict:
		return a
	case a.Verdict < b.Verdict:
		return b
	}
	return a.merged(b, a.Verdict)
}

func (a answer) merged(b answer, v Verdict) answer {
	return answer{v, join(a.by, b.by), a.lacks | b.lacks, join(a.unsure, b.unsure)}
}

// maxEvidence bounds the lists of a decision.
const maxEvidence = 100

func join[T comparable](a, b []T) []T {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0 || len(a) >= maxEvidence:
		return a
	}
	all := slices.Clone(a)
	for _, x := range b {
		if len(all) < maxEvidence && !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	return all
}

// asked is an action on a resource. It keeps which statements of a document concern it.
type asked struct {
	action   string // in lower case
	resource *Resource
	hits     map[*Document][]hit
	held     map[*Principal][]*Policy // the policies with hits; nil: look at all
}

// hit is a statement whose actions and resources match, or may.
type hit struct {
	*Statement
	matched Verdict
	varies  bool // by the principal's variables
}

func ask(action string, r *Resource) *asked {
	r.prepare()
	return &asked{action: strings.ToLower(action), resource: r, hits: map[*Document][]hit{}}
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
		if m == Yes && !p.exact && !p.everything() && !strings.Contains(p.prefix, ":") {
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
	for _, p := range policies {
		for _, h := range q.in(p.Document) {
			m, unsure := h.match(kind, p.Name, e)
			if m == No {
				continue
			}
			a := answer{Verdict: m, unsure: unsure}
			if kind == IdentityPolicy || !h.Allow { // the others grant nothing
				a.by = []Ref{{kind, p.Name, h.Statement}}
			}
			if h.Allow {
				allow = allow.or(a)
			} else {
				deny = deny.or(a)
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
				allow[g] = allow[g].or(a)
			default:
				deny = deny.or(a)
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
				allow[grip] = allow[grip].or(a)
			}
		}
	}
	return allow
}

// decide follows "How AWS enforcement code logic evaluates requests to allow or deny access"
// (reference_policies_evaluation-logic_policy-eval-denyallow) and, for two accounts,
// reference_policies_evaluation-logic-cross-account.
func (q *asked) decide(e *env, scps, rcps [][]*Policy) Decision {
	p, r := e.principal, q.resource
	kind, required := r.kind()
	own, deny := q.own(kind, r.Policy, e)
	grants := q.grants(e)
	limit := func(to answer, kind Kind, policies []*Policy) answer {
		allow, d := q.layer(kind, policies, e)
		deny = deny.or(d)
		return to.and(allow)
	}

	policies := p.Policies
	if q.held != nil {
		policies = q.held[p]
	}
	identity := limit(yes, IdentityPolicy, policies)
	switch {
	case p.Kind == Root: // has every right in its account
		identity = yes
	case p.Unseen || p.Kind == OtherAccount:
		unseen := answer{Verdict: Depends, unsure: []Unknown{{Why: "policies that purser cannot see", Ref: Ref{Kind: IdentityPolicy, Policy: p.ARN}}}}
		identity, deny = identity.or(unseen), deny.or(unseen)
	}
	bounds := yes
	if p.Boundary != nil {
		bounds = limit(bounds, BoundaryPolicy, []*Policy{p.Boundary})
	}
	if len(p.SessionPolicies) > 0 {
		bounds = limit(bounds, SessionPolicy, p.SessionPolicies)
	}
	ceiling := yes
	if !p.linked() { // orgs_manage_policies_scps: no service-linked role
		if p.inIAM() {
			for _, level := range scps {
				ceiling = limit(ceiling, SCP, level)
			}
		}
		for _, level := range rcps {
			ceiling = limit(ceiling, RCP, level)
		}
	}

	delegated := yes
	if required {
		delegated = own[byAccount]
		if p.Kind == Root {
			delegated = own[direct]
		}
	}
	capped := identity.and(bounds)
	inside := capped.and(delegated).or(own[direct]).or(own[byRole].and(bounds)).
		or(grants[direct].or(grants[byRole]).besides(bounds)).or(grants[byAccount].besides(capped))
	across := own[direct].or(own[byRole]).or(own[byAccount]).and(capped).
		or(grants[direct].or(grants[byRole]).or(grants[byAccount]).besides(capped))
	var grant answer
	switch {
	case p.Kind == ServicePrincipal || p.Kind == Federated || p.Kind == Anonymous:
		grant = own[direct].or(grants[direct])
	case p.Account == r.Account:
		grant = inside
	case r.Account == "":
		which := Unknown{Why: "the account of the resource", Ref: Ref{Kind: kind, Policy: r.ARN}}
		grant = across.or(inside.and(answer{Verdict: Depends, unsure: []Unknown{which}}))
	default:
		grant = across
	}

	if deny.Verdict == Yes {
		return Decision{Denies: deny.by}
	}
	a := grant.and(ceiling).and(answer{Verdict: not(deny.Verdict), unsure: deny.unsure})
	switch a.Verdict {
	case Yes:
		return Decision{Verdict: Yes, Allows: a.by}
	case Depends:
		return Decision{Verdict: Depends, Allows: a.by, Unknown: a.unsure}
	}
	var d Decision
	for kind := range kinds {
		if a.lacks&(1<<kind) != 0 {
			d.Missing = append(d.Missing, kind)
		}
	}
	return d
}

// besides limits what a grant gives: nothing says whether an Allow that another policy lacks
// matters for a grant.
func (a answer) besides(limit answer) answer {
	if a.Verdict == No || limit.Verdict == Yes {
		return a
	}
	a.Verdict = Depends
	for _, r := range a.by {
		a.unsure = append(slices.Clip(a.unsure), Unknown{Why: "whether a grant suffices alone", Ref: r})
	}
	return a
}
