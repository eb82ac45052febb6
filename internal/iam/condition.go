package iam

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"purser/internal/credential"
)

// condition is one operator with one key. A Condition element is true if all of them are.
type condition struct {
	Key      string // as the policy spells it
	key      string // in lower case
	operator operator
	negated  bool
	ifExists bool
	set      set
	values   []value
	problem  string // why it cannot be evaluated
}

type value struct {
	text    string
	pattern pattern
	arn     arnPattern
}

type set uint8

const (
	single set = iota
	forAny
	forAll
)

// operator compares a request's value with a policy's.
type operator struct {
	like, arn, null bool // match patterns, match ARNs, or ask whether the key exists
	text            bool // takes policy variables
	exact           bool // compares text byte by byte
	compare         func(got, want string) Verdict
}

// operators are those of reference_policies_elements_condition_operators in lower case, without
// the negated ones.
var operators = map[string]operator{
	"stringequals":           {text: true, exact: true, compare: func(got, want string) Verdict { return verdict(got == want) }},
	"stringequalsignorecase": {text: true, compare: compareFolded},
	"stringlike":             {text: true, like: true},
	"arnequals":              {text: true, arn: true}, // like ArnLike
	"arnlike":                {text: true, arn: true},
	"null":                   {null: true},
	"bool":                   {compare: compareBools},
	"binaryequals":           {compare: compareBinaries},
	"ipaddress":              {compare: compareAddresses},
}

var negations = map[string]string{
	"stringnotequals": "stringequals", "stringnotequalsignorecase": "stringequalsignorecase", "stringnotlike": "stringlike",
	"arnnotequals": "arnequals", "arnnotlike": "arnlike", "notipaddress": "ipaddress",
	"numericnotequals": "numericequals", "datenotequals": "dateequals",
}

func init() {
	for name, holds := range map[string]func(int) bool{
		"equals":            func(c int) bool { return c == 0 },
		"lessthan":          func(c int) bool { return c < 0 },
		"lessthanequals":    func(c int) bool { return c <= 0 },
		"greaterthan":       func(c int) bool { return c > 0 },
		"greaterthanequals": func(c int) bool { return c >= 0 },
	} {
		for kind, compare := range map[string]func(a, b string) (int, bool){"numeric": compareNumbers, "date": compareDates} {
			operators[kind+name] = operator{compare: func(got, want string) Verdict {
				c, ok := compare(got, want)
				if !ok {
					return Depends
				}
				return verdict(holds(c))
			}}
		}
	}
}

// parse reads an operator. IAM ignores its case.
func (c *condition) parse(text string) {
	name := strings.ToLower(text)
	if rest, ok := strings.CutPrefix(name, "foranyvalue:"); ok {
		name, c.set = rest, forAny
	} else if rest, ok := strings.CutPrefix(name, "forallvalues:"); ok {
		name, c.set = rest, forAll
	}
	name, c.ifExists = strings.CutSuffix(name, "ifexists")
	if positive, ok := negations[name]; ok {
		name, c.negated = positive, true
	}
	known := false
	if c.operator, known = operators[name]; !known {
		c.problem = "the operator is unknown"
	} else if c.operator.null && c.ifExists {
		c.problem = "Null takes no IfExists"
	}
}

// add takes a value of the policy.
func (c *condition) add(text string, variables bool) {
	v := value{text: text}
	switch {
	case c.operator.arn:
		v.arn = compileARN(text, variables)
		v.pattern = v.arn.whole
	case c.operator.text:
		v.pattern = compile(text, c.operator.like, variables)
	case variables && strings.Contains(text, "${") && c.problem == "":
		c.problem = "the operator takes no policy variables"
	}
	c.values = append(c.values, v)
}

// match evaluates the condition. The rules for keys that a request lacks, and for keys with
// several values, are those of reference_policies_elements_condition_operators and of
// reference_policies_condition-single-vs-multi-valued-context-keys.
func (c *condition) match(e *env) Verdict {
	got := e.lookup(c.key)
	switch {
	case c.problem != "" || len(c.values) == 0 || got.State == Unsure:
		return Depends
	case c.operator.null:
		return c.isNull(got.State == Absent)
	case got.State == Absent:
		return c.lacking()
	case got.State == Present:
		return c.matchBegin(got.Begin)
	case c.set == single && len(got.Values) > 1:
		return Depends // IAM wants a set operator here, and does not say what happens without
	}
	all, some := Yes, No
	for _, v := range got.Values {
		if v == "" && c.set != single {
			return Depends // "a null data set, such as an empty string"
		}
		m := c.matchOne(v, e)
		all, some = min(all, m), max(some, m)
	}
	if c.set == forAny {
		return some
	}
	return all
}

// lacking evaluates the condition for a request without the key.
func (c *condition) lacking() Verdict {
	if c.set == forAny {
		if c.ifExists || c.negated {
			return Depends // two documented rules contradict each other
		}
		return No
	}
	return verdict(c.ifExists || c.negated || c.set == forAll)
}

func (c *condition) isNull(null bool) Verdict {
	result := No
	for _, v := range c.values {
		switch strings.ToLower(v.text) {
		case "true":
			result = max(result, verdict(null))
		case "false":
			result = max(result, verdict(!null))
		default:
			result = max(result, Depends)
		}
	}
	return result
}

// matchBegin evaluates the condition for one value of which only the beginning is known, such as
// the aws:userid of some session of a role.
func (c *condition) matchBegin(begin string) Verdict {
	if c.set != single || begin == "" {
		return Depends
	}
	result := No
	for i := range c.values {
		p := &c.values[i].pattern
		switch {
		case !c.operator.like && !c.operator.exact || p.vars != nil:
			return Depends
		case !strings.HasPrefix(p.prefix, begin) && (p.exact || !strings.HasPrefix(begin, p.prefix)):
		case p.endless() && strings.HasPrefix(begin, p.prefix):
			result = Yes
		default:
			result = max(result, Depends)
		}
	}
	if c.negated {
		return not(result)
	}
	return result
}

// matchOne compares one value of the request with all of the policy: "or", and "nor" if negated.
func (c *condition) matchOne(got string, e *env) Verdict {
	result, segments := No, []string(nil)
	if c.operator.arn {
		segments = splitARN(got, false)
	}
	for i := range c.values {
		v := &c.values[i]
		var m Verdict
		switch {
		case c.operator.arn:
			m = v.arn.match(got, segments, e)
		case c.operator.like:
			m = v.pattern.match(got, e)
		case c.operator.text:
			want, known := v.pattern.literal(e)
			if m = known; known == Yes {
				m = c.operator.compare(got, want)
			}
		default:
			m = c.operator.compare(got, v.text)
		}
		if m == No && c.negated && v.pattern.lacksValue(e) {
			m = Depends // "this might cause the entire statement to be invalid"
		}
		result = max(result, m)
	}
	if c.negated {
		return not(result)
	}
	return result
}

// unsure returns the keys because of which the condition is Depends: its own, or those of its
// variables.
func (c *condition) unsure(e *env) []string {
	var keys []string
	if e.lookup(c.key).State == Known {
		for i := range c.values {
			keys = append(keys, c.values[i].pattern.unsure(e)...)
		}
	}
	if keys == nil {
		keys = []string{c.Key}
	}
	return keys
}

// lacksValue tells whether a variable has no value.
func (p *pattern) lacksValue(e *env) bool {
	if p.vars == nil {
		return false
	}
	_, known := p.expand(e)
	return known == No
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII })
}

func compareFolded(got, want string) Verdict {
	if got != want && strings.EqualFold(got, want) && !isASCII(got+want) {
		return Depends // nothing says which of these letters are equal
	}
	return verdict(strings.EqualFold(got, want))
}

func compareBools(got, want string) Verdict {
	a, ok1 := map[string]bool{"true": true, "false": false}[strings.ToLower(got)]
	b, ok2 := map[string]bool{"true": true, "false": false}[strings.ToLower(want)]
	if !ok1 || !ok2 {
		return Depends
	}
	return verdict(a == b)
}

// compareBinaries compares base-64 text; both sides are encoded.
func compareBinaries(got, want string) Verdict {
	a, err1 := base64.StdEncoding.DecodeString(got)
	b, err2 := base64.StdEncoding.DecodeString(want)
	if err1 != nil || err2 != nil {
		return Depends
	}
	return verdict(string(a) == string(b))
}

// compareAddresses finds an address in a range. An address without a prefix stands for itself.
func compareAddresses(got, want string) Verdict {
	address, err := netip.ParseAddr(got)
	if err != nil || address.Zone() != "" || address.Is4In6() {
		return Depends
	}
	if !strings.Contains(want, "/") {
		one, err := netip.ParseAddr(want)
		if err != nil || one.Zone() != "" || one.Is4In6() {
			return Depends
		}
		return verdict(one == address)
	}
	block, err := netip.ParsePrefix(want)
	if err != nil || block.Addr().Is4In6() {
		return Depends
	}
	return verdict(block.Contains(address))
}

// numberForm keeps to numbers that a float64 represents without loss of order.
var numberForm = credential.NewPattern(`^-?\d{1,12}(\.\d{1,3})?$`)

func compareNumbers(a, b string) (int, bool) {
	if !numberForm.MatchString(a) || !numberForm.MatchString(b) {
		return 0, false
	}
	x, _ := strconv.ParseFloat(a, 64)
	y, _ := strconv.ParseFloat(b, 64)
	switch {
	case x < y:
		return -1, true
	case x > y:
		return 1, true
	}
	return 0, true
}

// compareDates compares ISO 8601 in the forms of W3C's note, or seconds since 1970.
func compareDates(a, b string) (int, bool) {
	x, ok1 := date(a)
	y, ok2 := date(b)
	return x.Compare(y), ok1 && ok2
}

func date(text string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, true
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 1e8 || seconds > 1e11 { // four digits may be a year
		return time.Time{}, false
	}
	return time.Unix(seconds, 0), true
}
