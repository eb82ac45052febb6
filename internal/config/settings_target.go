package config

import (
	"strings"

	"purser/internal/credential"
	"purser/internal/store"
)

// targetTable joins the settings of every kind of store with the shape.
func targetTable() table[targetDraft] {
	var names, what []string
	var fields []field[targetDraft]
	for _, k := range store.Kinds() {
		names, what = append(names, k.Key), append(what, k.What)
		for _, s := range k.Settings {
			fields = append(fields, kindField(k, s))
		}
	}
	return declare(object{
		name: "target", title: "Target", place: "credentials.NAME.store",
		doc:   "One place where purser keeps a token: " + strings.Join(what, ", or ") + ".",
		oneOf: names,
	}, append(fields, shapeField())...)
}

func kindField(k store.Kind, s store.Setting) field[targetDraft] {
	made := setting{name: s.Name, doc: s.Doc, without: s.Without, pattern: s.Pattern, rule: s.Rule, example: s.Example}
	if s.Name != k.Key {
		made.with = k.Key
	}
	if s.Path {
		made.pattern, made.rule = freePattern, freeRule
	}
	if s.Flag {
		made.form, made.fallback, made.example = aFlag, false, true
	}
	return field[targetDraft]{made, func(d *decoder, t *targetDraft, v value) {
		text := v.text
		switch {
		case s.Flag && !v.isTrue():
			text = ""
		case s.Path:
			text = d.path(v)
		}
		t.set = append(t.set, named{s.Name, v})
		switch s.Name {
		case k.Key:
			t.Kind, t.Name = k.Key, text
		case "region":
			t.Region = text
		case "profile":
			t.Profile = text
		default:
			t.Options = t.Options.With(s.Name, text)
		}
	}}
}

func shapeField() field[targetDraft] {
	shape := shapeTable()
	return field[targetDraft]{setting{
		name: "shape", form: nameOrObject, enum: credential.ShapeNames(), object: shape.object,
		doc:     "The JSON keys that the consumers expect: the name of a shape, or the two keys.",
		without: "token", fallback: "token", example: "ecr-pull-through-cache",
	}, func(d *decoder, t *targetDraft, v value) {
		if v.kind == word {
			t.Shape, _ = credential.ParseShape(v.text) // its form is checked
			return
		}
		t.Shape = d.shape(decode(d, shape, v), v)
	}}
}

func shapeTable() table[credential.Shape] {
	const rule = "a key has only letters, digits, '_', '.' and '-', and starts with a letter"
	return declare(object{
		name: "shape", title: "Shape", place: "credentials.NAME.store.shape",
		doc: "The two JSON keys that hold the account's name and the token.",
	},
		field[credential.Shape]{setting{
			name: "username", required: true, pattern: keyPattern, rule: rule,
			doc: "The key that holds the account's name.", example: "user",
		}, func(_ *decoder, s *credential.Shape, v value) { s.UsernameKey = v.text }},
		field[credential.Shape]{setting{
			name: "token", required: true, pattern: keyPattern, rule: rule,
			doc: "The key that holds the token.", example: "apiKey",
		}, func(_ *decoder, s *credential.Shape, v value) { s.TokenKey = v.text }},
	)
}
