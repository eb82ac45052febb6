package config

import (
	"fmt"
	"strings"
)

const referenceHead = `# Configuration reference

<!-- Written by go test ./internal/config -update, from the declarations there; do not edit. -->

## purser.yaml

purser reads the file that ` + "`--config`" + ` names, or else the one that ` + "`PURSER_CONFIG`" + ` names, or else
the nearest ` + "`purser.yaml`" + ` from the working directory upwards. An editor that knows JSON Schema
completes the file with ` + "`purser.schema.json`" + `.

The file is YAML without anchors, aliases, merge keys, tags and block text. An unknown key is an error.
An error names the file, the line, the column and the key, and never repeats the value.

` + "```yaml" + `
` + Example + "```" + `
`

// Example is a purser.yaml that shows the usual settings.
const Example = `aws: {profile: mockserver-build, region: eu-west-2}
credentials:
  dockerhub:
    registry: docker.io
    username: mockserver
    repositories: [mockserver/mockserver]
    access: push
    store: {secret: mockserver-build/dockerhub}
    rotate: {every: 90d, overlap: 24h}
    readers: [policy/buildkite-read-dockerhub-secret]
  ecr-cache:
    registry: docker.io
    repositories: [library/alpine]
    access: pull
    store: {secret: ecr-pullthroughcache/dockerhub, shape: ecr-pull-through-cache}
`

// Reference returns the Markdown reference of settings and environment variables.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, o := range allObjects() {
		o.reference(&b)
	}
	b.WriteString("\n## Environment variables\n\nNone of them carries a token to purser, and none ever will, because others can read the environment of a process.\n\n")
	b.WriteString("| variable | read by | meaning |\n|---|---|---|\n")
	for _, v := range Variables() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, firstOf(v.Reader, "purser"), v.Doc)
	}
	return b.String()
}

func (o *object) reference(b *strings.Builder) {
	heading := "`" + o.place + "`"
	if o.name == FileName {
		heading = "The top level"
	}
	fmt.Fprintf(b, "\n### %s\n\n%s\n", heading, o.doc)
	if len(o.oneOf) > 0 {
		fmt.Fprintf(b, "Set exactly one of %s.\n", quotedList(o.oneOf, " and "))
	}
	b.WriteString("\n| key | value | default | meaning |\n|---|---|---|---|\n")
	for _, s := range o.settings {
		without := s.without
		if s.required {
			without = "*required*"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", s.name, s.valueText(), without, s.doc)
	}
}

// valueText describes a setting's values.
func (s *setting) valueText() string {
	example, _ := plainJSON(s.example) // declarations hold only JSON types
	text := strings.Trim(string(example), `"`)
	switch s.form {
	case aFlag:
		return "`true` or `false`"
	case texts:
		return "list, such as `" + strings.ReplaceAll(text, `"`, "") + "`"
	case anObject:
		return "object"
	case objects:
		return "objects by name"
	case oneOrMany:
		return "object, or a list of them"
	case nameOrObject:
		return quotedList(s.enum, ", ") + ", or an object"
	case aText:
	}
	if len(s.enum) > 0 {
		return quotedList(s.enum, " or ")
	}
	text = "text, such as `" + text + "`"
	if s.with != "" {
		text += "; only with `" + s.with + "`"
	}
	return text
}

func quotedList(words []string, between string) string {
	return "`" + strings.Join(words, "`"+between+"`") + "`"
}
