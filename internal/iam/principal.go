package iam

import "strings"

// PrincipalKind is what a principal is.
type PrincipalKind uint8

// The kinds of principal.
const (
	User             PrincipalKind = iota // an IAM user
	Role                                  // a session of an IAM role
	Root                                  // the root user of an account
	ServicePrincipal                      // a service of AWS; its ARN is its name, such as ecs.amazonaws.com
	Federated                             // who an identity provider vouches for; the ARN is the provider's
	OtherAccount                          // somebody in another account, whose administrators decide
	Anonymous                             // anybody, with credentials of their own or without
)

// Principal is who makes a request, with everything that limits it.
type Principal struct {
	Kind     PrincipalKind
	ARN      string // of the user or role, even if Session is set
	ID       string // AIDA… or AROA…
	Account  string // "": the one in the ARN
	Session  string // the role session's name; "": some session
	Tags     map[string]string
	Policies []*Policy // its own, attached ones, and those of its groups
	Boundary *Policy   // nil: none; see Unread
	// SessionPolicies are those of this session. A session may have some that nobody can list.
	SessionPolicies []*Policy
	Trust           *Policy // of a role; nil: unknown
	Unseen          bool    // its policies are unknown
}

func (p *Principal) prepare() {
	if s := splitARN(p.ARN, false); p.Account == "" && p.inIAM() && len(s) == 6 {
		p.Account = s[4]
	}
}

// identity tells principals apart.
type identity struct {
	kind         PrincipalKind
	arn, session string
}

func (p *Principal) identity() identity { return identity{p.Kind, p.ARN, p.Session} }

// name is the last part of the ARN.
func (p *Principal) name() string { return p.ARN[strings.LastIndexByte(p.ARN, '/')+1:] }

// inIAM tells whether an account's IAM knows the principal.
func (p *Principal) inIAM() bool { return p.Kind == User || p.Kind == Role || p.Kind == Root }

// linked tells whether it is a service-linked role, which control policies do not bind.
func (p *Principal) linked() bool {
	return p.Kind == Role && strings.Contains(p.ARN, ":role/aws-service-role/")
}

// tag returns aws:PrincipalTag. Tags of a session override those of its role. A session can
// have tags if the trust policy allows sts:TagSession (id_session-tags).
func (p *Principal) tag(name string) Value {
	if p.Kind == Role && p.mayTagSessions() {
		return unknown
	}
	return tag(p.Tags, p.Unseen, name)
}

func (p *Principal) mayTagSessions() bool {
	if p.Trust == nil {
		return true
	}
	for _, s := range p.Trust.Statements {
		if s.Allow && s.matchAction("sts:tagsession") != No {
			return true
		}
	}
	return false
}

// principals is a Principal or NotPrincipal element.
type principals struct {
	star                               bool // "*"
	aws, service, federated, canonical []string
}

// grip is how a statement names a principal.
type grip uint8

const (
	direct    grip = iota // the user, the session, or everybody: implicit denies elsewhere do not limit it
	byRole                // the role's ARN: boundary and session policy limit it
	byAccount             // the account: its identity policies decide
	grips
)

// matches has a verdict for each grip.
type matches [grips]Verdict

func (m matches) best() Verdict { return max(m[direct], m[byRole], m[byAccount]) }

// match finds a principal in the element (reference_policies_elements_principal).
func (ps *principals) match(p *Principal) matches {
	var m matches
	if ps.star {
		m[direct] = Yes
		return m
	}
	switch p.Kind {
	case ServicePrincipal:
		m[direct] = listed(ps.service, p.ARN)
	case Federated:
		m[direct] = listed(ps.federated, p.ARN)
	}
	for _, text := range ps.aws {
		g, v := matchAWS(text, p)
		m[g] = max(m[g], v)
	}
	if len(ps.canonical) > 0 && (p.inIAM() || p.Kind == OtherAccount) {
		m[direct] = max(m[direct], Depends) // the ids of accounts in another form
	}
	return m
}

func listed(names []string, name string) Verdict {
	result := No
	for _, n := range names {
		if n == name {
			return Yes
		}
		if n == "*" || strings.EqualFold(n, name) {
			result = Depends
		}
	}
	return result
}

// matchAWS compares one AWS principal. Names are case-sensitive here, and unique without their
// case, so that another case is Depends.
func matchAWS(text string, p *Principal) (grip, Verdict) {
	if text == "*" {
		if p.Kind == ServicePrincipal || p.Kind == Federated {
			return direct, Depends
		}
		return direct, Yes // for anonymous ones as well
	}
	if p.Kind == ServicePrincipal || p.Kind == Federated || p.Kind == Anonymous {
		return direct, No
	}
	if account, ok := accountOf(text); ok {
		if p.Kind == Root {
			return direct, verdict(account == p.Account)
		}
		return byAccount, verdict(account == p.Account)
	}
	g := direct
	if p.Kind == Role {
		g = byRole
	}
	switch {
	case text == p.ARN:
		return g, Yes
	case isUniqueID(text):
		return g, verdict(text == p.ID)
	case p.Kind == Role && strings.Contains(text, ":assumed-role/"):
		return direct, p.matchSession(text)
	case strings.EqualFold(text, p.ARN), strings.ContainsAny(text, "*?"):
		pattern := compile(text, true, false)
		if strings.EqualFold(text, p.ARN) || pattern.match(p.ARN, nil) != No {
			return g, Depends // IAM takes no part of a name
		}
	}
	return g, No
}

// matchSession compares the ARN of a session: arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION,
// without the role's path.
func (p *Principal) matchSession(text string) Verdict {
	segments := splitARN(text, false)
	if len(segments) != 6 || segments[2] != "sts" || segments[4] != p.Account {
		return No
	}
	role, session, _ := strings.Cut(strings.TrimPrefix(segments[5], "assumed-role/"), "/")
	switch {
	case !strings.EqualFold(role, p.name()):
		return No
	case role != p.name() || p.Session == "":
		return Depends
	}
	return verdict(session == p.Session)
}

// accountOf returns the account that a principal stands for: its id, or the ARN of its root.
func accountOf(text string) (string, bool) {
	id := text
	if segments := splitARN(text, false); len(segments) == 6 && segments[2] == "iam" && segments[5] == "root" {
		id = segments[4]
	}
	return id, len(id) == 12 && strings.Trim(id, "0123456789") == ""
}

// isUniqueID recognizes the ids that IAM shows for deleted principals (reference_identifiers).
func isUniqueID(text string) bool {
	return (strings.HasPrefix(text, "AIDA") || strings.HasPrefix(text, "AROA")) && !strings.Contains(text, ":")
}

// matchExcept evaluates NotPrincipal. A Deny spares a principal for certain only if it names the
// session, the role or user, and the account, and it hits every principal that has a boundary
// (reference_policies_elements_notprincipal).
func (ps *principals) matchExcept(p *Principal, allow bool) Verdict {
	if ps.star {
		return No
	}
	if !allow && p.Boundary != nil {
		return Yes
	}
	m := ps.match(p)
	switch {
	case m.best() == No:
		return Yes
	case p.Kind == OtherAccount:
		return Depends // on who it is
	case p.Kind != User && p.Kind != Role:
		return not(m.best())
	case allow && max(m[direct], m[byRole]) == Yes:
		return No
	case m[byAccount] == Yes && m[direct] == Yes && (p.Kind == User || m[byRole] == Yes):
		return No
	}
	return Depends
}
