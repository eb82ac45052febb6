package config

import (
	"bytes"
	"encoding/json"
)

// members is a JSON object that keeps its order.
type members []member

type member struct {
	key   string
	value any
}

// MarshalJSON writes the members in order.
func (m members) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, one := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		for _, part := range []any{one.key, one.value} {
			text, err := plainJSON(part)
			if err != nil {
				return nil, err
			}
			b.Write(text)
			b.WriteByte(':')
		}
		b.Truncate(b.Len() - 1)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// plainJSON is json.Marshal without HTML escapes, which make patterns unreadable.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSpace(b.Bytes()), err
}

// Schema returns the JSON Schema of purser.yaml, draft 2020-12, for editors.
func Schema() []byte {
	all := allObjects()
	schema := members{{"$schema", "https://json-schema.org/draft/2020-12/schema"}}
	schema = append(schema, all[0].schema()...)
	var definitions members
	for _, o := range all[1:] {
		definitions = append(definitions, member{o.name, o.schema()})
	}
	schema = append(schema, member{"$defs", definitions})
	compact, err := plainJSON(schema)
	if err != nil {
		panic(err) // declarations hold only JSON types
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", "  "); err != nil {
		panic(err) // compact is valid
	}
	b.WriteByte('\n')
	return b.Bytes()
}

func (o *object) schema() members {
	var properties, dependent members
	var required []string
	for _, s := range o.settings {
		properties = append(properties, member{s.name, s.schema()})
		if s.required {
			required = append(required, s.name)
		}
		if s.with != "" {
			dependent = append(dependent, member{s.name, []string{s.with}})
		}
	}
	made := members{
		{"title", o.title}, {"description", o.doc},
		{"type", "object"}, {"properties", properties}, {"additionalProperties", false},
	}
	if len(required) > 0 {
		made = append(made, member{"required", required})
	}
	if len(dependent) > 0 {
		made = append(made, member{"dependentRequired", dependent})
	}
	var alternatives []members
	for _, name := range o.oneOf {
		alternatives = append(alternatives, members{{"required", []string{name}}})
	}
	if len(alternatives) > 0 {
		made = append(made, member{"oneOf", alternatives})
	}
	return made
}

func (s *setting) schema() members {
	made := append(members{{"description", s.doc}}, s.formSchema()...)
	if s.fallback != nil {
		made = append(made, member{"default", s.fallback})
	}
	return append(made, member{"examples", []any{s.example}})
}

func (s *setting) formSchema() members {
	var ref members
	if s.object != nil {
		ref = members{{"$ref", "#/$defs/" + s.object.name}}
	}
	switch s.form {
	case aFlag:
		return members{{"type", "boolean"}}
	case texts:
		return members{{"type", "array"}, {"items", s.textSchema()}, {"minItems", 1}, {"uniqueItems", true}}
	case anObject:
		return ref
	case objects:
		return members{
			{"type", "object"}, {"propertyNames", members{{"pattern", s.pattern}}},
			{"additionalProperties", ref}, {"minProperties", 1},
		}
	case oneOrMany:
		many := members{{"type", "array"}, {"items", ref}, {"minItems", 1}}
		return members{{"oneOf", []members{ref, many}}}
	case nameOrObject:
		return members{{"oneOf", []members{s.textSchema(), ref}}}
	case aText:
	}
	return s.textSchema()
}

func (s *setting) textSchema() members {
	made := members{{"type", "string"}}
	if len(s.enum) > 0 {
		return append(made, member{"enum", s.enum})
	}
	return append(made, member{"minLength", 1}, member{"maxLength", textLimit}, member{"pattern", s.pattern})
}
