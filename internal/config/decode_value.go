package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"purser/internal/credential"
)

// check reports whether a value has its setting's form, and records mistakes. It keeps the
// good texts of a list.
func (d *decoder) check(s *setting, member *value) bool {
	v := *member
	if v.kind == null {
		return d.refuse(v, "this key has no value")
	}
	switch s.form {
	case aText:
		return d.checkText(s, v)
	case aFlag:
		if v.kind != boolean {
			return d.refuse(v, tokenOr(v, "this must be true or false"))
		}
	case texts:
		return d.checkTexts(s, member)
	case objects:
		return d.checkNames(s, v)
	case oneOrMany:
		if v.kind == list && len(v.items) == 0 {
			return d.refuse(v, "the list is empty")
		}
		fallthrough
	case anObject:
		if v.kind != mapping && (v.kind != list || s.form == anObject) {
			return d.refuse(v, tokenOr(v, mustBeObject(v, s.object)))
		}
	case nameOrObject:
		if v.kind != mapping {
			return d.checkText(s, v)
		}
	}
	return true
}

func mustBeObject(v value, o *object) string {
	return "this is " + found(v.kind) + " but must be an object with the keys " + strings.Join(o.keys(), ", ")
}

// tokenOr returns the text, or if the value is a token, what to do about that.
func tokenOr(v value, text string) string {
	if v.kind == word && credential.HoldsToken(v.text) {
		return tokenFound
	}
	return text
}

func (d *decoder) checkText(s *setting, v value) bool {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	switch {
	case v.kind == boolean || v.kind == number:
		return d.refuse(v, "this is "+found(v.kind)+" but must be text; put it in quotes")
	case v.kind != word:
		return d.refuse(v, "this is "+found(v.kind)+" but must be text")
	case v.text == "":
		return d.refuse(v, "this is empty")
	case len(v.text) > textLimit:
		return d.refuse(v, fmt.Sprintf("this must not be longer than %d bytes", textLimit))
	case credential.HoldsToken(v.text):
		return d.refuse(v, tokenFound)
	case strings.ContainsFunc(v.text, unprintable):
		return d.refuse(v, "this contains a control character or an invisible one; type it again")
	case len(s.enum) > 0 && !slices.Contains(s.enum, v.text):
		return d.refuse(v, "this must be one of "+strings.Join(s.enum, ", ")+orKeys(s))
	case s.pattern != "" && !d.matches(s.pattern, v.text):
		return d.refuse(v, s.rule)
	}
	return true
}

func orKeys(s *setting) string {
	if s.object == nil {
		return ""
	}
	return ", or the keys " + strings.Join(s.object.keys(), " and ")
}

// checkTexts checks every text of a list and removes bad ones, for the checks that follow.
func (d *decoder) checkTexts(s *setting, member *value) bool {
	v := *member
	if v.kind != list {
		return d.refuse(v, tokenOr(v, "this is "+found(v.kind)+" but must be a list, such as [one, two]"))
	}
	if len(v.items) == 0 {
		return d.refuse(v, "the list is empty")
	}
	seen := map[string]bool{}
	member.items = slices.Clone(v.items)
	for i, item := range v.each() {
		ok := d.checkText(s, item)
		if ok && seen[item.text] {
			ok = d.refuse(item, "duplicate item")
		}
		if !ok {
			member.items[i].kind = other
		}
		seen[item.text] = true
	}
	return true
}

// checkNames checks objects by name, even those with a bad name, so that one mistake does not
// hide others.
func (d *decoder) checkNames(s *setting, v value) bool {
	if v.kind != mapping {
		return d.refuse(v, tokenOr(v, "this is "+found(v.kind)+" but must be names, each with its settings below"))
	}
	if len(v.pairs) == 0 {
		return d.refuse(v, "this is empty; add a name with its settings")
	}
	lines := map[string]int{}
	for _, p := range v.pairs {
		entry := atKey(v.child(p.key, showName(p.key.text), node{}))
		switch {
		case looksLikeTokenKey(p.key.text):
			d.refuse(entry, tokenFound)
		case p.key.kind != word && p.key.kind != number || !d.matches(s.pattern, p.key.text):
			d.refuse(entry, s.rule)
		case lines[p.key.text] > 0:
			d.refuse(entry, fmt.Sprintf("duplicate name, first used in line %d", lines[p.key.text]))
		default:
			lines[p.key.text] = p.key.at.line
		}
	}
	return true
}

func (d *decoder) matches(pattern, text string) bool {
	form, ok := d.patterns[pattern]
	if !ok {
		form = regexp.MustCompile(pattern)
		d.patterns[pattern] = form
	}
	return form.MatchString(text)
}

func found(k kind) string {
	switch k {
	case null:
		return "nothing"
	case word:
		return "text"
	case boolean:
		return "a boolean"
	case number:
		return "a number"
	case mapping:
		return "an object"
	case list:
		return "a list"
	}
	return "something else"
}
