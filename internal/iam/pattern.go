package iam

import (
	"strings"
	"unicode/utf8"
)

// The wildcards of a compiled pattern.
const (
	anyText rune = -1 - iota
	anyRune
)

// pattern is a value of a policy: text, wildcards and policy variables.
type pattern struct {
	prefix string // the literal text before the first wildcard or variable
	exact  bool   // the pattern is its prefix
	runes  []rune // without variables
	vars   []piece
	odd    bool // a variable is malformed
}

// piece is text and wildcards, or a variable.
type piece struct {
	runes       []rune
	key         string
	fallback    string
	hasFallback bool
}

// compile reads a value. Variables are those of reference_policies_variables: ${key},
// ${key, 'default'}, and ${*}, ${?} and ${$} for the characters themselves.
func compile(text string, wildcards, variables bool) pattern {
	var p pattern
	var runes []rune
	open := true // still in the prefix
	literal := func(c rune) {
		if open {
			p.prefix += string(c)
		}
		runes = append(runes, c)
	}
	for len(text) > 0 {
		if variables && strings.HasPrefix(text, "${") {
			name, rest, closed := strings.Cut(text[2:], "}")
			if text = rest; name == "*" || name == "?" || name == "$" {
				literal(rune(name[0]))
				continue
			}
			v := piece{key: strings.ToLower(strings.TrimSpace(name))}
			if key, fallback, ok := strings.Cut(name, ","); ok {
				fallback = strings.TrimSpace(fallback)
				v.key, v.hasFallback = strings.ToLower(strings.TrimSpace(key)), true
				v.fallback = strings.TrimSuffix(strings.TrimPrefix(fallback, "'"), "'")
				p.odd = p.odd || len(fallback) < 2 || fallback[0] != '\'' || fallback[len(fallback)-1] != '\'' || strings.ContainsAny(v.fallback, "*?'$")
			}
			p.odd = p.odd || !closed || v.key == "" || strings.ContainsAny(v.key, "${'")
			p.vars = append(p.vars, piece{runes: runes}, v)
			runes, open = nil, false
			continue
		}
		c, n := utf8.DecodeRuneInString(text)
		text = text[n:]
		if wildcards && (c == '*' || c == '?') {
			open = false
			if c == '*' {
				runes = append(runes, anyText)
			} else {
				runes = append(runes, anyRune)
			}
			continue
		}
		literal(c)
	}
	if p.vars != nil {
		p.vars = append(p.vars, piece{runes: runes})
	} else if p.exact = open; !open {
		p.runes = runes
	}
	return p
}

// endless tells whether the pattern is text and a * after it.
func (p *pattern) endless() bool {
	return p.vars == nil && !p.exact && p.runes[len(p.runes)-1] == anyText && utf8.RuneCountInString(p.prefix) == len(p.runes)-1
}

// everything tells whether the pattern is a * alone.
func (p *pattern) everything() bool { return p.prefix == "" && p.endless() }

// match compares a value. Without e, a variable may have any value.
func (p *pattern) match(value string, e *env) Verdict {
	switch {
	case !strings.HasPrefix(value, p.prefix):
		return No
	case p.vars == nil:
		return verdict(p.exact && len(value) == len(p.prefix) || !p.exact && glob(p.runes, value))
	}
	runes, known := p.expand(e)
	if known == No || !glob(runes, value) {
		return No
	}
	return known
}

// expand puts values into the variables. They are literal text: the characters of tags, user
// names and session names include no wildcard. It returns No if a variable has no value, since
// then the value matches nothing; an unknown one becomes a wildcard.
func (p *pattern) expand(e *env) ([]rune, Verdict) {
	known := Yes
	if p.odd {
		known = Depends
	}
	var runes []rune
	for _, v := range p.vars {
		runes = append(runes, v.runes...)
		if v.key == "" {
			continue
		}
		value := unknown
		if e != nil && !p.odd {
			value = e.lookup(v.key)
		}
		switch {
		case value.State == Absent && v.hasFallback:
			runes = append(runes, []rune(v.fallback)...)
		case value.State == Absent:
			return nil, No
		case value.State == Known && len(value.Values) == 1 && !strings.ContainsAny(value.Values[0], "*?"):
			runes = append(runes, []rune(value.Values[0])...)
		default: // several values make no variable
			runes, known = append(runes, anyText), Depends
		}
	}
	return runes, known
}

// unsure returns the keys of variables whose value is not known.
func (p *pattern) unsure(e *env) (keys []string) {
	for _, v := range p.vars {
		if v.key != "" {
			if s := e.lookup(v.key).State; s == Unsure || s == Present {
				keys = append(keys, v.key)
			}
		}
	}
	return keys
}

// literal returns the value of a pattern that was compiled without wildcards.
func (p *pattern) literal(e *env) (string, Verdict) {
	if p.vars == nil {
		return p.prefix, Yes
	}
	runes, known := p.expand(e)
	if known != Yes {
		return "", known
	}
	return string(runes), Yes
}

// glob matches a text. On a mismatch it lets the last * take one character more: earlier ones
// never need to.
func glob(p []rune, text string) bool {
	at, star, again := 0, -1, 0
	for i := 0; i < len(text); {
		c, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case at < len(p) && p[at] == anyText:
			star, again = at, i
			at++
		case at < len(p) && (p[at] == anyRune || p[at] == c):
			at++
			i += n
		case star >= 0:
			_, n := utf8.DecodeRuneInString(text[again:])
			again += n
			at, i = star+1, again
		default:
			return false
		}
	}
	for at < len(p) && p[at] == anyText {
		at++
	}
	return at == len(p)
}

// arnPattern is a pattern for ARNs.
type arnPattern struct {
	whole    pattern
	segments []pattern
	early    bool // a variable before the fifth colon, where IAM takes none
}

func compileARN(text string, variables bool) arnPattern {
	a := arnPattern{whole: compile(text, true, variables)}
	for i, s := range splitARN(text, variables) {
		p := compile(s, true, variables)
		a.early = a.early || i < 5 && p.vars != nil
		a.segments = append(a.segments, p)
	}
	return a
}

// splitARN splits at the first five colons outside of variables.
func splitARN(text string, variables bool) []string {
	var all []string
	start, inside := 0, false
	for i := 0; i < len(text) && len(all) < 5; i++ {
		switch {
		case variables && strings.HasPrefix(text[i:], "${"):
			inside = true
		case text[i] == '}':
			inside = false
		case text[i] == ':' && !inside:
			all = append(all, text[start:i])
			start = i + 1
		}
	}
	return append(all, text[start:])
}

// match compares an ARN, given whole and in segments. A wildcard belongs to its segment
// (reference_policies_elements_resource), and some evaluators let it cross a colon or take a
// short pattern as a prefix. Where these readings differ, the answer is Depends.
func (a *arnPattern) match(value string, segments []string, e *env) Verdict {
	if a.whole.everything() {
		return Yes
	}
	if len(a.segments) == 6 && !strings.HasPrefix(value, a.whole.prefix) {
		return No
	}
	whole, parts := a.whole.match(value, e), Yes
	if len(a.segments) != len(segments) && (len(a.segments) == 1 || len(segments) < 6) {
		if len(a.segments) == 1 {
			whole = min(whole, Depends)
		}
		return whole // one of them is no ARN
	}
	for i := range a.segments {
		parts = min(parts, a.segments[i].match(segments[i], e))
	}
	switch {
	case whole == parts && a.early:
		return min(whole, Depends)
	case whole == parts:
		return whole
	}
	return Depends
}
