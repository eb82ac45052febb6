package iam

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var brute = flag.Int("brute", 100_000, "how many generated requests the second evaluator judges")

var bruteSeed = flag.Uint64("brute-seed", 20, "where the generated requests begin")

// The small language. Patterns list what they match, so that the second evaluator needs no
// matching of its own; keys have few values, so that it can try them all.
type (
	smallCondition struct {
		operator, key string
		values        []string
	}
	smallStatement struct {
		allow, notAction, notResource bool
		who                           string // of resource policies
		action, resource              string
		conditions                    []smallCondition
	}
	smallWorld struct { // everything about one request
		principal            string // "user", "role" or "partner"
		session              string // of a role; "": unknown
		key                  bool   // the resource is a KMS key
		action, resource     string
		identity, own        []smallStatement
		boundary, restricted []smallStatement // nil: none
		levels               [][]smallStatement
		keys                 map[string][]string // known keys; nil: absent; missing: unknown
	}
)

const home, away = "111122223333", "444455556666"

var (
	smallActions = map[string][]string{ // pattern → what it matches
		"*": {"kms:get", "kms:put"}, "kms:*": {"kms:get", "kms:put"}, "kms:G*": {"kms:get"}, "KMS:put": {"kms:put"}, "ec2:*": {}, "kms:?ut": {"kms:put"},
	}
	smallResources = map[string][]string{ // by the part after the fifth colon; "$" is a variable
		"*": {"a", "ab", "b"}, "a": {"a"}, "a*": {"a", "ab"}, "?": {"a", "b"}, "*b": {"ab", "b"}, "$": nil, "A": {},
	}
	smallWho = []string{"*", "user", "role", "session", "home", "away", "partner", "deleted", "other"}
	whoText  = map[string]string{
		"*": "*", "user": "arn:aws:iam::" + home + ":user/ada", "role": "arn:aws:iam::" + home + ":role/x/agent", "session": "arn:aws:sts::" + home + ":assumed-role/agent/s1",
		"home": home, "away": "arn:aws:iam::" + away + ":root", "partner": "arn:aws:iam::" + away + ":role/partner", "deleted": "AROAEXAMPLE1234567890", "other": "arn:aws:iam::" + home + ":user/bob",
	}
	smallKeys = map[string][][]string{ // every value that a key may have; "k:set" has several at once
		"k:v": {nil, {"a"}, {"b"}, {"ab"}}, "k:w": {nil, {"a"}, {"b"}, {"c"}}, "k:set": {nil, {"a"}, {"b"}, {"c"}, {"a", "b"}},
	}
	smallOperators = []string{"StringEquals", "StringNotEquals", "StringEqualsIfExists", "StringLike", "Null", "ForAllValues:StringEquals", "ForAnyValue:StringEquals"}
)

// truth is the second evaluator: two-valued, in the order of AWS's flow chart, for a request
// whose every key is known.
func (w *smallWorld) truth(keys map[string][]string, session string) bool {
	applies := func(s smallStatement) bool {
		if slices.Contains(smallActions[s.action], w.action) == s.notAction {
			return false
		}
		matched := slices.Contains(smallResources[s.resource], w.resource)
		if s.resource == "$" {
			matched = len(keys["k:v"]) == 1 && keys["k:v"][0] == w.resource
		}
		if matched == s.notResource {
			return false
		}
		for _, c := range s.conditions {
			if !c.truth(keys[c.key]) {
				return false
			}
		}
		return true
	}
	finds := func(statements []smallStatement, allow bool, who ...string) bool {
		for _, s := range statements {
			if s.allow == allow && applies(s) && (who == nil || slices.Contains(who, s.who)) {
				return true
			}
		}
		return false
	}
	var self, account []string // how a resource policy names the principal
	switch w.principal {
	case "user":
		self, account = []string{"*", "user"}, []string{"home"}
	case "role":
		if self, account = []string{"*"}, []string{"home"}; session == "s1" {
			self = append(self, "session")
		}
	case "partner":
		self, account = []string{"*"}, []string{"away"}
	}
	role := []string{"none"}
	if w.principal != "user" {
		role = []string{w.principal}
	}
	everyName := slices.Concat(self, role, account)
	// 1. An explicit deny.
	if finds(w.identity, false) || finds(w.boundary, false) || finds(w.restricted, false) || finds(w.own, false, everyName...) {
		return false
	}
	for _, level := range w.levels {
		if finds(level, false) || !finds(level, true) { // 2. Control policies.
			return false
		}
	}
	capped := w.boundary != nil && !finds(w.boundary, true) || w.restricted != nil && !finds(w.restricted, true)
	if w.principal == "partner" { // another account: both sides
		return finds(w.own, true, everyName...) && finds(w.identity, true) && !capped
	}
	if finds(w.own, true, self...) { // 3. The resource policy names the caller.
		return true
	}
	if capped {
		return false
	}
	if finds(w.own, true, role...) {
		return true
	}
	if w.key && !finds(w.own, true, account...) { // a key needs its key policy
		return false
	}
	return finds(w.identity, true) // 4. Identity policies.
}

func (c smallCondition) truth(got []string) bool {
	in := func(v string) bool {
		for _, want := range c.values {
			if v == want || c.operator == "StringLike" && want == "a*" && v[0] == 'a' {
				return true
			}
		}
		return false
	}
	switch c.operator {
	case "Null":
		return (got == nil) == (c.values[0] == "true")
	case "StringNotEquals":
		return got == nil || !in(got[0])
	case "StringEqualsIfExists":
		return got == nil || in(got[0])
	case "ForAnyValue:StringEquals":
		return slices.ContainsFunc(got, in)
	case "ForAllValues:StringEquals":
		return !slices.ContainsFunc(got, func(v string) bool { return !in(v) })
	}
	return got != nil && in(got[0])
}

// judge tries every world that is possible, and tells whether the answer may be more exact than
// Depends: where no unknown is used twice.
func (w *smallWorld) judge() (want Verdict, exact bool) {
	if w.simple() {
		return verdict(w.truth(w.keys, w.session)), true
	}
	worlds, sessions := []map[string][]string{{}}, []string{w.session}
	if w.principal == "role" && w.session == "" {
		sessions = []string{"s1", "s2"}
	}
	uses := map[string]int{}
	w.each(func(s *smallStatement) {
		if s.who == "session" && len(sessions) > 1 {
			uses["session"]++
		}
		if s.resource == "$" {
			uses["k:v"]++
		}
		for _, c := range s.conditions {
			uses[c.key]++
		}
	})
	exact = uses["session"] <= 1
	for _, key := range []string{"k:v", "k:w", "k:set"} {
		values, known := smallKeys[key], false
		if v, ok := w.keys[key]; ok {
			values, known = [][]string{v}, true
		}
		exact = exact && (known || uses[key] <= 1)
		var more []map[string][]string
		for _, world := range worlds {
			for _, v := range values {
				next := map[string][]string{key: v}
				for k, v := range world {
					next[k] = v
				}
				more = append(more, next)
			}
		}
		worlds = more
	}
	allowed, denied := false, false
	for _, world := range worlds {
		for _, session := range sessions {
			if w.truth(world, session) {
				allowed = true
			} else {
				denied = true
			}
		}
	}
	switch {
	case allowed && denied:
		return Depends, exact
	case allowed:
		return Yes, exact
	}
	return No, exact
}

// simple tells whether everything is known.
func (w *smallWorld) simple() bool {
	return len(w.keys) == len(smallKeys) && (w.principal != "role" || w.session != "")
}

func (w *smallWorld) each(f func(*smallStatement)) {
	for _, list := range slices.Concat([][]smallStatement{w.identity, w.own, w.boundary, w.restricted}, w.levels) {
		for i := range list {
			f(&list[i])
		}
	}
}

// arn returns the resource's ARN, in which the small resource comes last.
func (w *smallWorld) arn(name string) string {
	if name == "$" {
		name = "${k:v}"
	}
	if w.key {
		return "arn:aws:kms:eu-west-2:" + home + ":key/" + name
	}
	return "arn:aws:kms:eu-west-2:" + home + ":" + name
}

func (w *smallWorld) statements(list []smallStatement, own bool) json.RawMessage {
	var all []map[string]any
	for i, s := range list {
		not := map[bool]string{true: "Not"}
		one := map[string]any{
			"Sid": fmt.Sprint("S", i), "Effect": map[bool]string{true: "Allow", false: "Deny"}[s.allow],
			not[s.notAction] + "Action": s.action, not[s.notResource] + "Resource": w.arn(s.resource),
		}
		if s.resource == "*" {
			one[not[s.notResource]+"Resource"] = "*"
		}
		if own {
			one["Principal"] = map[string]string{"AWS": whoText[s.who]}
		}
		block := map[string]map[string][]string{}
		for _, c := range s.conditions {
			if block[c.operator] == nil {
				block[c.operator] = map[string][]string{}
			}
			block[c.operator][c.key] = c.values
		}
		if len(block) > 0 {
			one["Condition"] = block
		}
		all = append(all, one)
	}
	if all == nil {
		all = []map[string]any{}
	}
	text, _ := json.Marshal(all)
	return text
}

// asCase writes the world as a case of testdata.
func (w *smallWorld) asCase() testCase {
	c := testCase{Principal: whoText[w.principal], Session: w.session, Action: w.action, Resource: w.arn(w.resource), Context: map[string]any{}}
	c.Identity = w.statements(w.identity, false)
	c.Policy = w.statements(w.own, true)
	if w.boundary != nil {
		c.Boundary = w.statements(w.boundary, false)
	}
	if w.restricted != nil {
		c.SessionPolicy = w.statements(w.restricted, false)
	}
	for _, level := range w.levels {
		c.SCPs = append(c.SCPs, w.statements(level, false))
	}
	for k, v := range w.keys {
		if c.Context[k] = any(nil); v != nil {
			list := []any{}
			for _, one := range v {
				list = append(list, one)
			}
			c.Context[k] = list
		}
	}
	return c
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func generate(r *rand.Rand) *smallWorld {
	w := &smallWorld{principal: pick(r, []string{"user", "role", "role", "partner"}), key: r.IntN(3) == 0, keys: map[string][]string{}}
	if w.principal != "user" {
		w.session = pick(r, []string{"", "s1", "s2"})
	}
	// Maps have no order, and a seed must repeat a run.
	actions, resources := []string{"*", "kms:*", "kms:G*", "KMS:put", "ec2:*", "kms:?ut"}, []string{"*", "*", "a", "a*", "?", "*b", "$", "A"}
	list := func(most int) []smallStatement {
		all := []smallStatement{}
		for range r.IntN(most + 1) {
			s := smallStatement{allow: r.IntN(4) > 0, notAction: r.IntN(8) == 0, notResource: r.IntN(8) == 0, who: pick(r, smallWho), action: pick(r, actions), resource: pick(r, resources)}
			if s.notResource && s.resource == "$" {
				s.resource = "a"
			}
			for range max(0, r.IntN(5)-2) {
				c := smallCondition{operator: pick(r, smallOperators)}
				c.key = pick(r, []string{"k:v", "k:w"})
				c.values = []string{pick(r, []string{"a", "b"})}
				switch {
				case strings.HasPrefix(c.operator, "For"):
					c.key = "k:set"
				case c.operator == "Null":
					c.values = []string{pick(r, []string{"true", "false"})}
				case c.operator == "StringLike":
					c.values = []string{"a*"}
				case r.IntN(3) == 0:
					c.values = []string{"a", "b"}
				}
				if !slices.ContainsFunc(s.conditions, func(o smallCondition) bool { return o.operator == c.operator && o.key == c.key }) {
					s.conditions = append(s.conditions, c)
				}
			}
			all = append(all, s)
		}
		return all
	}
	w.identity, w.own = list(3), list(3)
	if r.IntN(4) == 0 {
		w.boundary = list(2)
	}
	if w.principal != "user" && r.IntN(6) == 0 {
		w.restricted = list(2)
	}
	if w.principal != "partner" { // whose account has others
		for range max(0, r.IntN(5)-2) {
			w.levels = append(w.levels, append(list(1), smallStatement{allow: true, action: "*", resource: pick(r, resources)}))
		}
	}
	for _, key := range []string{"k:v", "k:w", "k:set"} {
		if r.IntN(2) == 0 {
			w.keys[key] = pick(r, smallKeys[key])
		}
	}
	return w
}

// parsed returns the world's account, and a request of its principal.
func (w *smallWorld) parsed(t *testing.T) (*Account, Request) {
	t.Helper()
	c := w.asCase()
	a, request := c.request(t)
	a.ID = home // the resource's account
	return a, request
}

// differs compares both evaluators on one request.
func (w *smallWorld) differs(t *testing.T, a *Account, request Request) (got, want Verdict, wrong bool) {
	t.Helper()
	request.Action, request.Resource.ARN = w.action, w.arn(w.resource)
	got = a.Decide(request).Verdict
	want, exact := w.judge()
	return got, want, got != want && (exact || got != Depends)
}

// settles checks that a decision depends on nothing but what it names: with values for that, it
// is Yes or No.
func settles(t *testing.T, r *rand.Rand, a *Account, request Request) {
	t.Helper()
	before := a.Decide(request)
	known, p := Context{}, *request.Principal
	maps.Copy(known, request.Context)
	for _, u := range before.Unknown {
		if u.Key == "sts:RoleSessionName" {
			p.Session = pick(r, []string{"s1", "s2"})
			continue
		}
		known[strings.ToLower(u.Key)] = Is(pick(r, smallKeys[strings.ToLower(u.Key)])...)
	}
	request.Principal, request.Context = &p, known
	if after := a.Decide(request); after.Verdict == Depends {
		t.Errorf("it depends on more than it names: first on %q, then on %q", before.Unknown, after.Unknown)
	}
}

// shrink removes what the difference does not need.
func (w *smallWorld) shrink(t *testing.T) {
	t.Helper()
	for again := true; again; {
		again = false
		try := func(change, undo func()) {
			if change(); !again {
				a, request := w.parsed(t)
				if _, _, wrong := w.differs(t, a, request); wrong {
					again = true
					return
				}
			}
			undo()
		}
		lists := []*[]smallStatement{&w.identity, &w.own, &w.boundary, &w.restricted}
		for i := range w.levels {
			lists = append(lists, &w.levels[i])
		}
		for _, list := range lists {
			before := *list
			if len(before) == 0 && before != nil && list != &w.identity && list != &w.own {
				try(func() { *list = nil }, func() { *list = before })
			}
			for i := 0; i < len(before) && !again; i++ {
				try(func() { *list = slices.Delete(slices.Clone(before), i, i+1) }, func() { *list = before })
			}
		}
		for i, levels := 0, w.levels; i < len(levels) && !again; i++ {
			try(func() { w.levels = slices.Delete(slices.Clone(levels), i, i+1) }, func() { w.levels = levels })
		}
		w.each(func(s *smallStatement) {
			for i, before := 0, s.conditions; i < len(before) && !again; i++ {
				try(func() { s.conditions = slices.Delete(slices.Clone(before), i, i+1) }, func() { s.conditions = before })
			}
		})
	}
}

func TestASecondEvaluatorAgreesOnGeneratedPolicies(t *testing.T) {
	r := rand.New(rand.NewPCG(*bruteSeed, 26))
	counts, vague, policies := [3]int{}, 0, 0
	for done := 0; done < *brute; policies++ {
		w := generate(r)
		a, request := w.parsed(t)
		for _, action := range []string{"kms:get", "kms:put"} {
			for _, resource := range []string{"a", "ab", "b"} {
				w.action, w.resource = action, resource
				done++
				got, want, wrong := w.differs(t, a, request)
				counts[got]++
				if got != want {
					vague++
				}
				if got == Depends {
					settles(t, r, a, request)
				}
				if !wrong {
					continue
				}
				w.shrink(t)
				a, request = w.parsed(t)
				got, want, _ = w.differs(t, a, request)
				c := w.asCase()
				c.Want = want.String()
				text := short(t, c)
				t.Fatalf("got %v, want %v; as a case: %s", got, want, text)
			}
		}
	}
	t.Logf("%d policies; %d yes, %d depends, %d no; %d of them depend on keys that cancel out", policies, counts[Yes], counts[Depends], counts[No], vague)
	for v, n := range counts {
		if n < *brute/50 {
			t.Errorf("only %d answers are %v: the generator is one-sided", n, Verdict(v))
		}
	}
}

// short writes a case without its empty fields.
func short(t *testing.T, c testCase) []byte {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]json.RawMessage{}
	strictly(t, "a case", text, &fields)
	for name, value := range fields {
		if slices.Contains([]string{`null`, `""`, `false`, `{}`}, string(value)) {
			delete(fields, name)
		}
	}
	text, _ = json.Marshal(fields)
	return text
}
