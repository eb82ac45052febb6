package iam

import (
	"maps"
	"slices"
	"strings"
)

// Resource is what an action is about.
type Resource struct {
	ARN        string // "*" for actions that take no resource
	Account    string // "": the one in the ARN; set it for ARNs without one
	Tags       map[string]string
	TagsUnread bool
	Policy     *Policy // its resource policy, key policy or trust policy; nil: none; see Unread
	Grants     []Grant // of a KMS key

	segments []string
}

// Grant is a grant of a KMS key (kms: grants, create-grant-overview). Its constraints are on the
// encryption context; a nil map is no constraint.
type Grant struct {
	ID         string
	Grantee    string
	Operations []string // such as Decrypt
	Equals     map[string]string
	Subset     map[string]string
}

func (r *Resource) prepare() {
	r.segments = splitARN(r.ARN, false)
	if r.Account == "" && len(r.segments) == 6 {
		r.Account = r.segments[4]
	}
}

func (r *Resource) service() string {
	if len(r.segments) == 6 {
		return r.segments[2]
	}
	return ""
}

// kind says what the resource's own policy is. Key policies and trust policies must allow an
// access; other resource policies may add to what identity policies allow
// (reference_policies_evaluation-logic).
func (r *Resource) kind() (kind Kind, required bool) {
	switch {
	case r.service() == "kms" && strings.HasPrefix(r.segments[5], "key/"):
		return KeyPolicy, true
	case r.service() == "iam" && strings.HasPrefix(r.segments[5], "role/"):
		return TrustPolicy, true
	}
	return ResourcePolicy, false
}

// match tells whether the grant covers an action of a principal, and which keys that depends on.
func (g *Grant) match(action string, e *env) (m matches, unsure []string) {
	if !slices.ContainsFunc(g.Operations, func(o string) bool { return strings.EqualFold("kms:"+o, action) }) {
		return m, nil
	}
	who := principals{aws: []string{g.Grantee}, service: []string{g.Grantee}}
	m = who.match(e.principal)
	holds := Yes
	need := func(key string, v Verdict) {
		if holds = min(holds, v); v == Depends {
			unsure = append(unsure, key)
		}
	}
	for _, pairs := range []map[string]string{g.Equals, g.Subset} {
		for _, k := range slices.Sorted(maps.Keys(pairs)) {
			key := "kms:EncryptionContext:" + k
			need(key, hasOne(e.lookup(strings.ToLower(key)), pairs[k]))
		}
	}
	if g.Equals != nil { // and no other pair
		const key = "kms:EncryptionContextKeys"
		keys := e.lookup(strings.ToLower(key))
		need(key, map[State]Verdict{Known: verdict(len(keys.Values) == len(g.Equals)), Absent: verdict(len(g.Equals) == 0), Unsure: Depends, Present: Depends}[keys.State])
	}
	for i := range m {
		m[i] = min(m[i], holds)
	}
	return m, unsure
}

func hasOne(v Value, want string) Verdict {
	switch v.State {
	case Known:
		return verdict(len(v.Values) == 1 && v.Values[0] == want)
	case Absent:
		return No
	}
	return Depends
}
