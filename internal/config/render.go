package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"purser/internal/credential"
)

// Entry is a credential to write into purser.yaml, without its empty fields.
type Entry struct {
	Name, Registry, Username, Access string
	Repositories                     []string
	Kind, Target, Profile, Region    string // of the store; see credential.Target
	Options                          credential.Options
	Shape                            string
	Every, Overlap                   string
	Readers                          []string
}

// plainForm matches scalars that need no quotes in YAML.
var plainForm = credential.NewPattern(`^([A-Za-z][A-Za-z0-9_./@-]*|([0-9]+[wdhms])+)$`)

// notText matches words that YAML does not read as text.
var notText = credential.NewPattern(`(?i)^(true|false|yes|no|on|off|null|y|n|nan|inf)$`)

func scalar(text string) string {
	if plainForm.MatchString(text) && !notText.MatchString(text) {
		return text
	}
	return strconv.Quote(text) // YAML's double quotes understand Go's escapes
}

func scalars(texts []string) string {
	all := make([]string, len(texts))
	for i, t := range texts {
		all[i] = scalar(t)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// pairs renders a mapping on one line.
func pairs(keysAndValues ...string) string {
	var all []string
	for i := 0; i+1 < len(keysAndValues); i += 2 {
		if keysAndValues[i+1] != "" {
			all = append(all, keysAndValues[i]+": "+scalar(keysAndValues[i+1]))
		}
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// lines renders the entry with its name at one indentation.
func (e Entry) lines(indent string) []string {
	in := indent + indent
	all := []string{indent + scalar(e.Name) + ":", in + "registry: " + scalar(e.Registry)}
	if e.Username != "" {
		all = append(all, in+"username: "+scalar(e.Username))
	}
	all = append(all, in+"repositories: "+scalars(e.Repositories))
	if e.Access != "" {
		all = append(all, in+"access: "+scalar(e.Access))
	}
	store := append([]string{e.Kind, e.Target, "profile", e.Profile, "region", e.Region}, e.Options.All()...)
	if first, second, custom := strings.Cut(e.Shape, ","); custom {
		if text := pairs(store...); text != "{}" {
			all = append(all, in+"store: "+strings.TrimSuffix(text, "}")+", shape: "+pairs("username", first, "token", second)+"}")
		}
	} else if text := pairs(append(store, "shape", e.Shape)...); text != "{}" {
		all = append(all, in+"store: "+text)
	}
	if e.Every != "" {
		all = append(all, in+"rotate: "+pairs("every", e.Every, "overlap", e.Overlap))
	}
	if len(e.Readers) > 0 {
		all = append(all, in+"readers: "+scalars(e.Readers))
	}
	return all
}

// Render makes a new file.
func Render(aws AWS, entries []Entry) []byte {
	var b strings.Builder
	if text := pairs("profile", aws.Profile, "region", aws.Region); text != "{}" {
		fmt.Fprintf(&b, "aws: %s\n", text)
	}
	b.WriteString("credentials:\n")
	for _, e := range entries {
		b.WriteString(strings.Join(e.lines("  "), "\n") + "\n")
	}
	return []byte(b.String())
}

// Private renders what a consumer's process needs: each credential's name, registry,
// repositories and first place.
func Private(credentials []credential.Credential) []byte {
	var entries []Entry
	for _, c := range credentials {
		t := c.Targets[0]
		e := Entry{
			Name: string(c.Name), Registry: string(c.Registry), Username: c.Username, Access: string(c.Access),
			Kind: t.Kind, Target: t.Name, Profile: t.Profile, Region: t.Region, Shape: t.Shape.String(),
		}
		for _, r := range c.Repositories {
			e.Repositories = append(e.Repositories, string(r))
		}
		entries = append(entries, e)
	}
	return Render(AWS{}, entries)
}

// Add puts credentials into an existing file and keeps every other line. An existing name is
// a *credential.Fault unless replace is set; so are credentials in braces.
//
// It refuses a file with a token, even in a comment, because purser shows the change.
func Add(existing []byte, entries []Entry, replace bool) ([]byte, error) {
	for i, l := range strings.Split(string(existing), "\n") {
		if credential.HoldsToken(l) {
			return nil, &credential.Fault{
				Reason: credential.TokenInArguments, What: "the configuration contains a token", Why: fmt.Sprintf("anyone who can read the file can read the token in line %d; purser does not show it here", i+1),
			}
		}
	}
	newline := "\n"
	if strings.Contains(string(existing), "\r\n") {
		newline = "\r\n"
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(existing), "\r\n", "\n"), "\n"), "\n")
	for _, e := range entries {
		var err error
		if lines, err = addOne(lines, e, replace); err != nil {
			return nil, err
		}
	}
	return []byte(strings.Join(lines, newline) + newline), nil
}

var credentialsKey = credential.NewPattern(`^credentials\s*:\s*(#.*)?$`)

func addOne(lines []string, e Entry, replace bool) ([]string, error) {
	begin := -1
	for i, l := range lines {
		if credentialsKey.MatchString(l) {
			begin = i
		}
	}
	if begin < 0 {
		return nil, &credential.Fault{
			Reason: credential.Usage, What: "purser cannot add the credential to the file",
			Why: "add a line `credentials:` to the file, with the credentials indented below",
		}
	}
	end, indent := begin+1, "  "
	found := false
	for ; end < len(lines); end++ {
		l := lines[end]
		if l == "" || strings.HasPrefix(strings.TrimSpace(l), "#") {
			continue
		}
		width := len(l) - len(strings.TrimLeft(l, " "))
		if width == 0 {
			break
		}
		if !found {
			indent, found = l[:width], true
		}
	}
	for end > begin+1 && (strings.TrimSpace(lines[end-1]) == "" || lines[end-1][0] == '#') {
		end-- // blank lines and comments belong to the next key
	}
	from, to := entryLines(lines[begin+1:end], indent, e.Name)
	insert := e.lines(indent)
	if from < 0 {
		return splice(lines, end, end, insert), nil
	}
	if slices.Equal(lines[begin+1+from:begin+1+to], insert) {
		return lines, nil // nothing changes
	}
	if !replace {
		return nil, &credential.Fault{
			Reason: credential.Usage, What: "the credential " + e.Name + " already exists",
			Why: fmt.Sprintf("it is in line %d; overwrite it with --replace, or choose another name with --name", begin+2+from),
		}
	}
	return splice(lines, begin+1+from, begin+1+to, insert), nil
}

// entryLines returns the lines of a credential; from is negative if there is none.
func entryLines(lines []string, indent, name string) (from, to int) {
	from = -1
	for i, l := range lines {
		trimmed := strings.TrimSpace(l)
		if !strings.HasPrefix(l, indent) || strings.HasPrefix(l[len(indent):], " ") || trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if from >= 0 {
			return from, withoutTail(lines, from, i)
		}
		key, _, _ := strings.Cut(trimmed, ":")
		if strings.Trim(strings.TrimSpace(key), `"'`) == name {
			from = i
		}
	}
	return from, withoutTail(lines, from, len(lines))
}

// withoutTail drops blank lines and comments at the end.
func withoutTail(lines []string, from, to int) int {
	for to > from+1 && (strings.TrimSpace(lines[to-1]) == "" || strings.TrimSpace(lines[to-1])[0] == '#') {
		to--
	}
	return to
}

func splice(lines []string, from, to int, insert []string) []string {
	out := append([]string{}, lines[:from]...)
	out = append(out, insert...)
	return append(out, lines[to:]...)
}
