package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestTheSchemaInTheRepositoryIsTheDecoders(t *testing.T) {
	golden(t, "../../purser.schema.json", Schema())
}

func TestTheReferenceInTheRepositoryIsTheDecoders(t *testing.T) {
	golden(t, "../../docs/configuration-reference.md", []byte(Reference()))
}

func TestEveryDeclarationIsInTheSchemaAndTheReference(t *testing.T) {
	schema := readSchema(t)
	defs := schema["$defs"].(map[string]any)
	all := allObjects()
	if len(defs) != len(all)-1 {
		t.Errorf("the schema defines %d objects, declared are %d", len(defs), len(all)-1)
	}
	for i, o := range all {
		described := schema
		if i > 0 {
			described, _ = defs[o.name].(map[string]any)
		}
		properties, _ := described["properties"].(map[string]any)
		got, want := slices.Sorted(maps.Keys(properties)), slices.Sorted(slices.Values(o.keys()))
		if !slices.Equal(got, want) {
			t.Errorf("%s has %q in the schema, declared are %q", o.name, got, want)
		}
		for _, s := range o.settings {
			if s.doc == "" || s.example == nil || !s.required && s.without == "" {
				t.Errorf("%s.%s lacks a sentence, an example or what holds without it", o.name, s.name)
			}
			if !strings.Contains(Reference(), "| `"+s.name+"` |") {
				t.Errorf("%s.%s is not in the reference", o.name, s.name)
			}
			if s.form == aText && len(s.enum) == 0 && (s.pattern == "" || s.rule == "") {
				t.Errorf("%s.%s has no pattern or no words for it", o.name, s.name)
			}
		}
	}
}

func TestTheNamesPatternIsThatOfCredentials(t *testing.T) {
	i, _ := fileTable().object.find("credentials")
	s := fileTable().object.settings[i]
	form := regexp.MustCompile(s.pattern)
	for _, name := range []string{"a", "a.b_c-d", "0", "-a", "A", "a b", "", strings.Repeat("a", 63), strings.Repeat("a", 64)} {
		if got := showName(name) != hiddenKey; got != form.MatchString(name) {
			t.Errorf("the pattern for names and ParseName differ on %q", name)
		}
	}
}

// documents are for the decoder and the schema. Each differs from the full file in one value.
func documents() map[string]bool {
	all := map[string]bool{
		full: true, Example: true, "credentials: {}": false, "[]": false, "text": false, "aws: {}": false,
		"credentials: {a: {registry: ghcr.io, repositories: [acme/app]}}": true,
		"credentials: {A: {registry: ghcr.io, repositories: [acme/app]}}": false,
		"credentials: {a: {registry: ghcr.io}}":                           false,
		"credentials: {a: {repositories: [acme/app]}}":                    false,
		"credentials: {a: 1}":                                             false,
	}
	for setting, cases := range map[string]map[string]bool{
		"username":     {"acme": true, `""`: false, "12": false, `"12"`: true, "[a]": false, "a:b": false, "true": false, "null": false},
		"access":       {"push": true, "pull": true, "Push": false, "admin": false},
		"ca":           {"a.pem": true, `" a"`: false, "x y": true},
		"readers":      {"[role/a, role/b]": true, "[role/a, role/a]": false, "[]": false, "role/a": false, "[1]": false, "[a b]": false},
		"auth-hosts":   {"[a.example]": true, "[a/b c]": false},
		"rotate":       {"{every: 90d}": true, "{every: 90}": false, "{overlap: 1d}": false, "{every: 2w, overlap: 1d12h}": true, "{every: 1x}": false, "90d": false, "{every: 90d, x: y}": false},
		"store":        {"{secret: a}": true, "{file: a}": true, "{secret: a, file: b}": false, "{}": false, "[]": false, "[{secret: a}]": true, "a": false, "{secret: a, passphrase: true}": false, "{file: a, passphrase: true}": true, "{file: a, passphrase: yes}": false, "{file: a, region: eu-west-2}": false, "{secret: a, region: London}": false, "{secret: a, region: us-gov-west-1, kms-key: alias/x, profile: p}": true, "{secret: a, kms-key: x y}": false, "{secret: a b}": false},
		"store-shape":  {"{secret: a, shape: token}": true, "{secret: a, shape: tokens}": false, "{secret: a, shape: {username: u, token: t}}": true, "{secret: a, shape: {username: u}}": false, "{secret: a, shape: {username: u, token: 1x}}": false, "{secret: a, shape: [u, t]}": false},
		"registri":     {"docker.io": false},
		"repositories": {"[a b]": false, "[]": false},
		"registry":     {"a b": false},
	} {
		for text, good := range cases {
			entry := map[string]string{"registry": "ghcr.io", "repositories": "[acme/app]"}
			entry[strings.TrimSuffix(setting, "-shape")] = text
			var parts []string
			for _, key := range slices.Sorted(maps.Keys(entry)) {
				parts = append(parts, key+": "+entry[key])
			}
			all["credentials: {a: {"+strings.Join(parts, ", ")+"}}"] = good
		}
	}
	return all
}

func TestTheSchemaAndTheDecoderAgree(t *testing.T) {
	schema := readSchema(t)
	for text, want := range documents() {
		_, err := Parse("purser.yaml", []byte(text), Options{})
		if (err == nil) != want {
			t.Errorf("Parse = %v, want good: %t, for\n%s", err, want, text)
		}
		root, bad := parseSyntax([]byte(text))
		if bad != nil {
			t.Fatalf("%s: %s", text, bad.text)
		}
		why := (&validator{root: schema}).validate(schema, plainValue(root))
		if (why == "") != want {
			t.Errorf("the schema says %q, want good: %t, for\n%s", why, want, text)
		}
	}
}

func TestTheExamplesInTheSchemaFitIt(t *testing.T) {
	schema := readSchema(t)
	check := func(o map[string]any) {
		for name, s := range o["properties"].(map[string]any) {
			s := s.(map[string]any)
			for _, example := range s["examples"].([]any) {
				if why := (&validator{root: schema}).validate(s, example); why != "" {
					t.Errorf("the example of %s does not fit: %s", name, why)
				}
			}
		}
	}
	check(schema)
	for _, o := range schema["$defs"].(map[string]any) {
		check(o.(map[string]any))
	}
}

func readSchema(t *testing.T) map[string]any {
	t.Helper()
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatalf("the schema is not JSON: %v", err)
	}
	return schema
}

// plainValue converts a node to JSON's types.
func plainValue(n node) any {
	switch n.kind {
	case mapping:
		made := map[string]any{}
		for _, p := range n.pairs {
			made[p.key.text] = plainValue(p.value)
		}
		return made
	case list:
		made := []any{}
		for _, item := range n.items {
			made = append(made, plainValue(item))
		}
		return made
	case boolean:
		return n.text == "true"
	case number:
		return 1.0
	case null:
		return nil
	}
	return n.text
}

// validator knows only the keywords of JSON Schema that Schema uses.
type validator struct{ root map[string]any }

// validate says why the value is invalid, or returns "".
func (v *validator) validate(schema map[string]any, value any) string {
	for _, keyword := range slices.Sorted(maps.Keys(schema)) {
		why := v.keyword(keyword, schema[keyword], schema, value)
		if why != "" {
			return keyword + ": " + why
		}
	}
	return ""
}

func (v *validator) keyword(keyword string, want any, schema map[string]any, value any) string {
	object, _ := value.(map[string]any)
	items, isList := value.([]any)
	text, isText := value.(string)
	switch keyword {
	case "$schema", "$defs", "title", "description", "default", "examples":
		return ""
	case "$ref":
		name := strings.TrimPrefix(want.(string), "#/$defs/")
		return v.validate(v.root["$defs"].(map[string]any)[name].(map[string]any), value)
	case "type":
		kinds := map[string]reflect.Kind{"object": reflect.Map, "array": reflect.Slice, "string": reflect.String, "boolean": reflect.Bool}
		return unless(value != nil && reflect.TypeOf(value).Kind() == kinds[want.(string)])
	case "enum":
		return unless(slices.Contains(want.([]any), value))
	case "pattern":
		return unless(!isText || regexp.MustCompile(want.(string)).MatchString(text))
	case "minLength":
		return unless(!isText || float64(len(text)) >= want.(float64))
	case "maxLength":
		return unless(!isText || float64(len(text)) <= want.(float64))
	case "minItems":
		return unless(!isList || float64(len(items)) >= want.(float64))
	case "minProperties":
		return unless(object == nil || float64(len(object)) >= want.(float64))
	case "uniqueItems":
		return unless(len(items) == len(slices.Compact(slices.Sorted(asTexts(items)))))
	case "items":
		for _, item := range items {
			if why := v.validate(want.(map[string]any), item); why != "" {
				return why
			}
		}
		return ""
	case "oneOf":
		fits := 0
		for _, one := range want.([]any) {
			if v.validate(one.(map[string]any), value) == "" {
				fits++
			}
		}
		return unless(fits == 1)
	}
	return v.objectKeyword(keyword, want, schema, object)
}

func (v *validator) objectKeyword(keyword string, want any, schema, object map[string]any) string {
	properties, _ := schema["properties"].(map[string]any)
	switch keyword {
	case "required":
		for _, name := range want.([]any) {
			if _, ok := object[name.(string)]; !ok {
				return name.(string)
			}
		}
	case "properties":
		for name, s := range properties {
			if value, ok := object[name]; ok {
				if why := v.validate(s.(map[string]any), value); why != "" {
					return why
				}
			}
		}
	case "additionalProperties":
		for name, value := range object {
			if _, known := properties[name]; known {
				continue
			}
			inner, allowed := want.(map[string]any)
			if !allowed {
				return "another property"
			}
			if why := v.validate(inner, value); why != "" {
				return why
			}
		}
	case "propertyNames":
		for name := range object {
			if why := v.validate(want.(map[string]any), name); why != "" {
				return why
			}
		}
	case "dependentRequired":
		for name, needs := range want.(map[string]any) {
			if _, ok := object[name]; !ok {
				continue
			}
			if _, ok := object[needs.([]any)[0].(string)]; !ok {
				return name
			}
		}
	default:
		return "a keyword that the test does not know"
	}
	return ""
}

func unless(ok bool) string {
	if ok {
		return ""
	}
	return "it does not fit"
}

func asTexts(items []any) func(func(string) bool) {
	return func(yield func(string) bool) {
		for _, item := range items {
			if !yield(fmt.Sprint(item)) {
				return
			}
		}
	}
}
