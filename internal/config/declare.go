package config

import "slices"

// form is how a setting's value is written.
type form int

const (
	aText form = iota
	aFlag
	texts        // a list of texts, none of them twice
	anObject     // one object
	objects      // objects by name
	oneOrMany    // an object or a list of objects
	nameOrObject // one of the words in enum, or an object
)

// setting declares a key of purser.yaml. The decoder, the schema and the
// reference are made from it.
type setting struct {
	name     string
	doc      string // one sentence or two, for the schema and the reference
	form     form
	required bool
	without  string   // what holds when the key is left out, in words
	fallback any      // the same as a value, where it is one
	enum     []string // the words there are; empty: any
	pattern  string   // of the text or of each of the texts, in both Go's and JavaScript's syntax
	rule     string   // the pattern in words: why a text that does not match is wrong
	with     string   // another key of the object, without which this one means nothing
	example  any      // a string, a bool, a list or a map, as JSON has them
	object   *object  // what the object, or each of the objects, holds
}

// object declares the keys that belong together.
type object struct {
	name     string // in the schema's definitions
	title    string
	doc      string
	place    string // where it is in the file, for people
	settings []setting
	oneOf    []string // exactly one of these keys is there
}

func (o *object) keys() []string {
	names := make([]string, len(o.settings))
	for i, s := range o.settings {
		names[i] = s.name
	}
	return names
}

func (o *object) find(name string) (int, bool) {
	i := slices.IndexFunc(o.settings, func(s setting) bool { return s.name == name })
	return i, i >= 0
}

// table is an object with the functions that put its values into a T.
type table[T any] struct {
	object *object
	into   []func(*decoder, *T, value) // as object.settings
}

// field is a setting with its function. The value it is given has the setting's
// form; the first problem of a value is not followed by others that come of it.
type field[T any] struct {
	setting
	into func(d *decoder, t *T, v value)
}

func declare[T any](o object, fields ...field[T]) table[T] {
	made := table[T]{object: &o}
	for _, f := range fields {
		o.settings = append(o.settings, f.setting)
		made.into = append(made.into, f.into)
	}
	return made
}

// allObjects are the objects of the file, the outermost first.
func allObjects() []*object {
	all := []*object{fileTable().object}
	for i := 0; i < len(all); i++ {
		for _, s := range all[i].settings {
			if s.object != nil {
				all = append(all, s.object)
			}
		}
	}
	return all
}
