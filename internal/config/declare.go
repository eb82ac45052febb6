package config

import "slices"

// form is how a setting's value is written.
type form int

const (
	aText form = iota
	aFlag
	texts        // a list of different texts
	anObject     // one object
	objects      // objects by name
	oneOrMany    // an object or a list of objects
	nameOrObject // a word in enum, or an object
)

// setting declares a key of purser.yaml, for the decoder, the schema and the reference.
type setting struct {
	name     string
	doc      string // a sentence or two
	form     form
	required bool
	without  string   // the default, in words
	fallback any      // the default as a value, if it is one
	enum     []string // the allowed words; empty: any
	pattern  string   // of each text, in the syntax that Go and JavaScript share
	rule     string   // the pattern in words, for errors
	with     string   // the key that this one requires
	example  any      // a string, a bool, a list or a map, as in JSON
	object   *object  // the members of the object, or of each object
}

// object declares the keys of an object.
type object struct {
	name     string // in the schema
	title    string
	doc      string
	place    string // its path in the file, for people
	settings []setting
	oneOf    []string // exactly one of these keys must be set
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

// table adds the functions that put an object's values into a T.
type table[T any] struct {
	object *object
	into   []func(*decoder, *T, value) // as object.settings
}

// field is a setting with its function, which gets only values of the setting's form. So one
// mistake leads to one error.
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

// allObjects returns the objects of the file, the outermost first.
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
