// Package ciscript finds out what a CI script does with a registry's secret: which secret it
// gets from AWS, which keys of its JSON it uses, where it signs in and what it pushes. It
// reads shell scripts and pipelines that contain shell (GitHub Actions, Buildkite and the
// like) line by line, and runs nothing.
package ciscript

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"purser/internal/boundedfile"
	"purser/internal/credential"
)

// Use is a secret that a script gets, and what the nearby lines do with it.
type Use struct {
	At              string // file:line
	Secret          string
	Profile, Region string
	Keys            []string // of the secret's JSON, in the order of their use
	Registry        string   // where it signs in; "" for docker's default
	Username        string   // if it is literal
	SignsIn         bool     // docker login, helm registry login or the like follows
}

// Findings are what the scripts reveal.
type Findings struct {
	Uses   []Use
	Images []string // pushed repositories, with the registry if written
	Notes  []string // file:line, and what purser did not understand
}

const limit = 1 << 20

// Read parses a file. The error is a *credential.Fault with the reason Usage, or
// TokenInArguments for a script with a token.
func Read(path string) (Findings, error) {
	bad := func(why string) error {
		return &credential.Fault{Reason: credential.Usage, What: "the script cannot be read", Why: credential.Quote(path + ": " + why)}
	}
	raw, err := boundedfile.Read(path, limit)
	switch {
	case err != nil:
		return Findings{}, bad(credential.Innermost(err))
	case !utf8.Valid(raw) || strings.ContainsRune(string(raw), 0):
		return Findings{}, bad("it is not text")
	}
	for i, l := range strings.Split(string(raw), "\n") {
		if credential.HoldsToken(l) {
			return Findings{}, &credential.Fault{
				Reason: credential.TokenInArguments, What: "there is a token in the script", Why: credential.Quote(fmt.Sprintf("%s:%d", path, i+1)) + " contains it, for everybody who can read the script",
			}
		}
	}
	return Parse(filepath.Base(path), string(raw)), nil
}

// line is a command with its continuation lines.
type line struct {
	number int
	text   string
}

var (
	getValue   = credential.NewPattern(`secretsmanager\s+get-secret-value`)
	jqKey      = credential.NewPattern(`jq\s+(?:-[a-zA-Z]+\s+|--raw-output\s+)*['"]?\.(?:\["?)?([A-Za-z][A-Za-z0-9_.-]*)`)
	pythonKey  = credential.NewPattern(`json\.(?:load|loads)\([^)]*\)(?:\)|)\[\\?["']([A-Za-z][A-Za-z0-9_.-]*)`)
	signIn     = credential.NewPattern(`(?:docker|podman|nerdctl|skopeo|buildah|crane auth|oras)\s+login\b(.*)|helm\s+registry\s+login\b(.*)`)
	push       = credential.NewPattern(`(?:docker|podman|nerdctl)\s+push\s+(?:-[^\s]+\s+)*(\S+)|(?:skopeo\s+copy|crane\s+(?:push|copy)|oras\s+push)\b.*\s(\S+)\s*$|helm\s+push\s+\S+\s+(\S+)`)
	buildPush  = credential.NewPattern(`buildx?\s+(?:build|bake)?.*--push`)
	tagFlag    = credential.NewPattern(`(?:\s-t|\s--tag)[=\s]+(\S+)`)
	assignment = credential.NewPattern(`^(?:export\s+|readonly\s+|local\s+|declare\s+)?([A-Za-z_][A-Za-z0-9_]*)[=:]\s*(\S.*)$`)
	reference  = credential.NewPattern(`\$\{([A-Za-z_][A-Za-z0-9_]*)(?::?-([^}]*))?\}|\$([A-Za-z_][A-Za-z0-9_]*)`)
	secretID   = credential.NewPattern(`^[A-Za-z0-9/_+=.@:-]{1,600}$`)
	imageForm  = credential.NewPattern(`^[a-z0-9][a-z0-9._:/-]*$`)
	username   = credential.NewPattern(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

// Parse parses text; name stands for its file in positions.
func Parse(name, text string) Findings {
	p := &parser{name: name, values: map[string]string{}, current: -1}
	for _, l := range joined(text) {
		p.line(l)
	}
	return p.found
}

// joined joins continuation lines and removes comments.
func joined(text string) []line {
	var all []line
	open := false
	for i, raw := range strings.Split(text, "\n") {
		t := strings.TrimSpace(raw)
		if strings.HasPrefix(t, "#") {
			continue
		}
		for _, mark := range []string{"- run:", "run:", "- command:", "command:", "- "} {
			t = strings.TrimSpace(strings.TrimPrefix(t, mark))
		}
		rest, more := strings.CutSuffix(t, `\`)
		if open {
			all[len(all)-1].text += " " + strings.TrimSpace(rest)
		} else {
			all = append(all, line{i + 1, rest})
		}
		open = more
	}
	return all
}

type parser struct {
	name    string
	values  map[string]string // of variables with literal values
	found   Findings
	current int // the use that the next lines belong to; -1 before the first
}

func (p *parser) at(l line) string { return fmt.Sprintf("%s:%d", p.name, l.number) }

func (p *parser) line(l line) {
	if m := assignment().FindStringSubmatch(l.text); m != nil && !strings.Contains(m[2], "$(") && !strings.Contains(m[2], "`") {
		if v, ok := p.expand(strings.TrimSuffix(strings.TrimSpace(m[2]), ";")); ok {
			p.values[m[1]] = v
		}
	}
	if getValue.MatchString(l.text) {
		p.get(l)
	}
	for _, form := range []credential.Pattern{jqKey, pythonKey} {
		for _, m := range form().FindAllStringSubmatch(l.text, -1) {
			p.key(m[1])
		}
	}
	if m := signIn().FindStringSubmatch(l.text); m != nil {
		p.login(m[1] + m[2])
	}
	p.images(l)
}

func (p *parser) get(l line) {
	raw, ok := flag(l.text, "secret-id")
	id, known := p.expand(raw)
	if !ok || !known || !secretID.MatchString(id) {
		p.found.Notes = append(p.found.Notes, p.at(l)+": the script does not name the secret that it gets")
		p.current = -1
		return
	}
	u := Use{At: p.at(l), Secret: id}
	if raw, ok := flag(l.text, "profile"); ok {
		u.Profile, _ = p.expand(raw)
	}
	if raw, ok := flag(l.text, "region"); ok {
		u.Region, _ = p.expand(raw)
	}
	p.current = slices.IndexFunc(p.found.Uses, func(have Use) bool { return have.Secret == id })
	if p.current < 0 {
		p.found.Uses = append(p.found.Uses, u)
		p.current = len(p.found.Uses) - 1
	}
}

func (p *parser) key(name string) {
	if p.current < 0 || name == "SecretString" {
		return
	}
	if u := &p.found.Uses[p.current]; !slices.Contains(u.Keys, name) {
		u.Keys = append(u.Keys, name)
	}
}

func (p *parser) login(rest string) {
	if p.current < 0 {
		return
	}
	u := &p.found.Uses[p.current]
	u.SignsIn = true
	for _, name := range []string{"username", "u"} {
		if raw, ok := flag(rest, name); ok {
			if text, known := p.expand(raw); known && username.MatchString(text) {
				u.Username = text
			}
		}
	}
	for _, word := range words(rest) {
		text, known := p.expand(word)
		if !known || strings.HasPrefix(word, "-") || !strings.ContainsAny(text, ".:") {
			continue
		}
		if host, err := credential.ParseHost(strings.TrimPrefix(text, "https://")); err == nil {
			u.Registry = string(host)
		}
	}
}

func (p *parser) images(l line) {
	var refs []string
	if m := push().FindStringSubmatch(l.text); m != nil {
		refs = append(refs, m[1]+m[2]+m[3])
	}
	if buildPush.MatchString(l.text) {
		for _, m := range tagFlag().FindAllStringSubmatch(l.text, -1) {
			refs = append(refs, m[1])
		}
	}
	for _, ref := range refs {
		if image, ok := p.image(ref); ok && !slices.Contains(p.found.Images, image) {
			p.found.Images = append(p.found.Images, image)
		}
	}
}

// image strips tag and digest from a reference.
func (p *parser) image(ref string) (string, bool) {
	ref = strings.Trim(ref, `"'`)
	for _, prefix := range []string{"docker://", "oci://"} {
		ref = strings.TrimPrefix(ref, prefix)
	}
	ref, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndex(ref, ":"); i > strings.LastIndex(ref, "/") {
		ref = ref[:i] // a tag may be any text
	}
	text, known := p.expand(ref)
	return text, known && imageForm.MatchString(text) && strings.Contains(text, "/")
}

// expand replaces variables by their known values. ok is false if one is unknown.
func (p *parser) expand(text string) (expanded string, ok bool) {
	text = strings.Trim(text, `"'`)
	ok = true
	expanded = reference().ReplaceAllStringFunc(text, func(ref string) string {
		m := reference().FindStringSubmatch(ref)
		if v, known := p.values[m[1]+m[3]]; known {
			return v
		}
		if m[2] != "" {
			return strings.Trim(m[2], `"'`)
		}
		ok = false
		return ""
	})
	if strings.ContainsAny(expanded, "$`") {
		return "", false
	}
	return strings.Trim(expanded, `"'`), ok
}

// flag returns what a command gives to --name or -n.
func flag(text, name string) (string, bool) {
	dashes := "--"
	if len(name) == 1 {
		dashes = "-"
	}
	list := words(text)
	for i, w := range list {
		if v, ok := strings.CutPrefix(w, dashes+name+"="); ok {
			return v, true
		}
		if w == dashes+name && i+1 < len(list) {
			return list[i+1], true
		}
	}
	return "", false
}

// words splits a command like a shell, and removes quotes.
func words(text string) []string {
	var all []string
	var b strings.Builder
	var quote rune
	inside := false
	for _, r := range text {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				b.WriteRune(r)
			}
		case r == '"' || r == '\'':
			quote, inside = r, true
		case strings.ContainsRune(" \t;|&()<>", r):
			if inside || b.Len() > 0 {
				all = append(all, b.String())
			}
			b.Reset()
			inside = false
		default:
			b.WriteRune(r)
		}
	}
	if inside || b.Len() > 0 {
		all = append(all, b.String())
	}
	return all
}
