// Package signin signs in to AWS through IAM Identity Center without the AWS CLI, and says what an AWS
// profile lacks. It writes the cache file that the AWS CLI and SDKs read.
package signin

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode"

	"purser/internal/boundedfile"
	"purser/internal/credential"
)

// Kind is how a profile gets credentials.
type Kind string

// The kinds, as AWS's configuration files distinguish them.
const (
	KindNone        Kind = ""                   // the profile does not say
	KindSession     Kind = "sso-session"        // IAM Identity Center, with an [sso-session]
	KindLegacy      Kind = "sso"                // IAM Identity Center, configured in the profile
	KindStatic      Kind = "static"             // access keys in the file
	KindRole        Kind = "role"               // another profile, or the machine, assumes a role
	KindProcess     Kind = "credential_process" // a program prints credentials
	KindWebIdentity Kind = "web-identity"       // a token in a file is exchanged for credentials
	KindConsole     Kind = "login_session"      // aws login, with console credentials
)

// Profile is a profile in AWS's configuration.
type Profile struct {
	Name string
	At   string // file:line; "" for a default profile that does not exist
	Kind Kind

	// For IAM Identity Center.
	Session             string // name of the [sso-session]; "" for KindLegacy
	StartURL, SSORegion string
	Account, Role       string
	Scopes              []string

	Region string // for AWS services
	Source string // for KindRole: the profile or service whose credentials assume the role
}

// SSO reports whether the profile uses IAM Identity Center.
func (p Profile) SSO() bool { return p.Kind == KindSession || p.Kind == KindLegacy }

// Files are AWS's two configuration files. A missing file counts as empty.
type Files struct{ Config, Credentials string }

// fileLimit is far above any real file, in bytes.
const fileLimit = 4 << 20

type section struct {
	kind, name string // "profile", "sso-session", "services"
	at         string // file:line
	values     map[string]string
}

// Profile finds a profile. The name "" means the default profile, which need not exist. The error is a
// *credential.Fault: ProfileMissing suggests the nearest name, Usage has file and line.
func (f Files) Profile(name string) (Profile, error) {
	sections, err := f.read()
	if err != nil {
		return Profile{}, err
	}
	wanted := cmp.Or(name, "default")
	values, at := merged(sections, wanted)
	if values == nil {
		if name == "" || name == "default" {
			return Profile{Name: wanted}, nil
		}
		return Profile{}, f.missing(sections, name)
	}
	p := Profile{Name: wanted, At: at, Region: values["region"]}
	if err := p.chain(sections, values, []string{wanted}); err != nil {
		return p, err
	}
	return p, p.kindOf(sections, values)
}

// Names lists the profiles, sorted.
func (f Files) Names() ([]string, error) {
	sections, err := f.read()
	if err != nil {
		return nil, err
	}
	return profileNames(sections), nil
}

func profileNames(sections []section) []string {
	var names []string
	for _, s := range sections {
		if s.kind == "profile" && !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	slices.Sort(names)
	return names
}

// merged combines a profile's sections; the first file's value wins. AWS's tools prefer the credentials
// file for keys, but no key is kept here.
func merged(sections []section, name string) (values map[string]string, at string) {
	for _, s := range sections {
		if s.kind != "profile" || s.name != name {
			continue
		}
		if values == nil {
			values, at = map[string]string{}, s.at
		}
		for k, v := range s.values {
			if _, there := values[k]; !there {
				values[k] = v
			}
		}
	}
	return values, at
}

func (f Files) missing(sections []section, name string) error {
	why := "looked in " + f.Config + " and " + f.Credentials
	names := profileNames(sections)
	if near := closest(name, names); near != "" {
		why = "the nearest is " + near + "; " + why
	} else if len(names) == 0 {
		why = "no profile is configured; " + why
	}
	return &credential.Fault{
		Reason: credential.ProfileMissing, What: "there is no AWS profile " + credential.Quote(name), Why: why,
		Target: credential.Target{Profile: name},
	}
}

// chain follows source_profile and detects loops.
func (p *Profile) chain(sections []section, values map[string]string, seen []string) error {
	source := values["source_profile"]
	if source == "" || values["role_arn"] == "" {
		return nil
	}
	if len(seen) == 1 {
		p.Source = "profile " + source
	}
	next, at := merged(sections, source)
	if next == nil {
		return p.usage("its source_profile "+credential.Quote(source)+" does not exist", p.At)
	}
	if source == seen[len(seen)-1] && (next["aws_access_key_id"] != "" || next["web_identity_token_file"] != "") {
		return nil // a profile may assume its role with its own keys
	}
	if slices.Contains(seen, source) {
		return p.usage("its source_profile leads back to "+credential.Quote(source)+"; no profile in this loop has credentials", at)
	}
	return p.chain(sections, next, append(seen, source))
}

func (p *Profile) usage(why, at string) error {
	return &credential.Fault{
		Reason: credential.Usage, Target: credential.Target{Profile: p.Name},
		What: "the AWS profile " + p.Name + " is invalid", Why: at + ": " + why,
	}
}

// kindOf checks in the same order as AWS's SDKs.
func (p *Profile) kindOf(sections []section, values map[string]string) error {
	has := func(key string) bool { return values[key] != "" }
	switch {
	case has("role_arn") && has("web_identity_token_file"):
		p.Kind, p.Source = KindWebIdentity, values["web_identity_token_file"]
	case has("role_arn"):
		p.Kind = KindRole
		if has("credential_source") {
			p.Source = values["credential_source"]
		}
	case has("sso_session"):
		return p.session(sections, values)
	case has("sso_start_url"):
		p.Kind, p.StartURL, p.SSORegion = KindLegacy, values["sso_start_url"], values["sso_region"]
		return p.complete(values)
	case has("aws_access_key_id"):
		p.Kind = KindStatic
	case has("login_session"):
		p.Kind = KindConsole
	case has("credential_process"):
		p.Kind = KindProcess
	}
	return nil
}

func (p *Profile) session(sections []section, values map[string]string) error {
	p.Kind, p.Session = KindSession, values["sso_session"]
	i := slices.IndexFunc(sections, func(s section) bool { return s.kind == "sso-session" && s.name == p.Session })
	if i < 0 {
		return p.usage("it names the sso_session "+credential.Quote(p.Session)+", but there is no section [sso-session "+credential.Quote(p.Session)+"]", p.At)
	}
	s := sections[i].values
	p.StartURL, p.SSORegion = s["sso_start_url"], s["sso_region"]
	for scope := range strings.SplitSeq(s["sso_registration_scopes"], ",") {
		if scope = strings.TrimSpace(scope); scope != "" {
			p.Scopes = append(p.Scopes, scope)
		}
	}
	return p.complete(values)
}

// complete requires what signing in needs. Without account and role, an SDK would call AWS with empty
// ones.
func (p *Profile) complete(values map[string]string) error {
	p.Account, p.Role = values["sso_account_id"], values["sso_role_name"]
	var lacks []string
	for _, need := range []struct{ key, value string }{
		{"sso_start_url", p.StartURL}, {"sso_region", p.SSORegion}, {"sso_account_id", p.Account}, {"sso_role_name", p.Role},
	} {
		if need.value == "" {
			lacks = append(lacks, need.key)
		}
	}
	if len(lacks) == 0 {
		return nil
	}
	return p.usage("it signs in with IAM Identity Center but lacks "+strings.Join(lacks, ", "), p.At)
}

func (f Files) read() ([]section, error) {
	var all []section
	for _, file := range []struct {
		path  string
		plain bool // section names omit the word profile
	}{{f.Config, false}, {f.Credentials, true}} {
		if file.path == "" {
			continue
		}
		text, err := boundedfile.Read(file.path, fileLimit)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, unreadable(file.path, err)
		}
		sections, err := parse(file.path, bytes.NewReader(text), file.plain)
		if err != nil {
			return nil, unreadable(file.path, err)
		}
		all = append(all, sections...)
	}
	return all, nil
}

func unreadable(path string, err error) error {
	if f, ok := errors.AsType[*credential.Fault](err); ok {
		return f
	}
	if cause := errors.Unwrap(err); cause != nil {
		err = cause
	}
	return &credential.Fault{Reason: credential.Usage, What: "cannot read AWS's configuration " + path, Why: credential.Quote(err.Error()), Err: err}
}

// parse reads an INI file like AWS's tools: comments start a line or follow white space, and indented
// lines belong to the key before. Its fault has file and line but does not quote the line, which may
// hold a key.
func parse(path string, r io.Reader, plain bool) ([]section, error) {
	var all []section
	lines := bufio.NewScanner(io.LimitReader(r, fileLimit))
	lines.Buffer(nil, fileLimit)
	for n := 1; lines.Scan(); n++ {
		text := lines.Text()
		at := fmt.Sprintf("%s:%d", path, n)
		trimmed := strings.TrimSpace(text)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case trimmed[0] == '[':
			s, ok := header(trimmed, plain)
			if err := fitToShow(at, trimmed); err != nil {
				return nil, err
			}
			if !ok {
				return nil, bad(at, "the section name does not end with ]")
			}
			s.at = at
			all = append(all, s)
		case text[0] == ' ' || text[0] == '\t':
			// This belongs to the key before. Signing in needs none of those.
		default:
			key, value, ok := strings.Cut(trimmed, "=")
			if !ok || len(all) == 0 {
				return nil, bad(at, "it is neither a [section] nor a key = value")
			}
			key = strings.ToLower(strings.TrimSpace(key))
			value = withoutComment(value)
			if slices.Contains(shownKeys, key) {
				if err := fitToShow(at, value); err != nil {
					return nil, err
				}
			}
			all[len(all)-1].values[key] = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return all, nil
}

// shownKeys are the keys whose values are shown or used in URLs.
var shownKeys = []string{
	"region", "role_arn", "source_profile", "credential_source", "web_identity_token_file",
	"sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name", "sso_registration_scopes",
}

// fitToShow refuses tokens and control characters in values that people are shown.
func fitToShow(at, text string) error {
	if credential.HoldsToken(text) {
		return &credential.Fault{
			Reason: credential.TokenInArguments, What: "there is a token in AWS's configuration",
			Why: credential.Quote(at) + " has one; purser does not show it, but everybody who can read the file has it",
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
		return bad(at, "it has a control character")
	}
	return nil
}

func bad(at, why string) error {
	return &credential.Fault{Reason: credential.Usage, What: "AWS's configuration is invalid", Why: at + ": " + why}
}

func header(text string, plain bool) (section, bool) {
	inside, _, ok := strings.Cut(text[1:], "]")
	s := section{kind: "profile", name: strings.Trim(strings.TrimSpace(inside), `"'`), values: map[string]string{}}
	if plain || s.name == "default" {
		return s, ok
	}
	fields := strings.Fields(inside)
	if len(fields) < 2 {
		s.kind = "" // AWS's tools ignore it
		return s, ok
	}
	s.kind = fields[0]
	s.name = strings.Trim(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(inside), fields[0])), `"'`)
	return s, ok
}

func withoutComment(value string) string {
	for i, r := range value {
		if (r == '#' || r == ';') && i > 0 && (value[i-1] == ' ' || value[i-1] == '\t') {
			value = value[:i]
			break
		}
	}
	return strings.TrimSpace(value)
}

// closest finds the name that was probably meant: at most two edits away, or one that contains the
// other.
func closest(text string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		if d := distance(strings.ToLower(text), strings.ToLower(name)); d < least {
			best, least = name, d
		}
	}
	if best != "" {
		return best
	}
	for _, name := range names {
		if strings.Contains(name, text) || strings.Contains(text, name) {
			return name
		}
	}
	return ""
}

// distance is the number of letters to insert, delete or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := before
			if a[i] != b[j] {
				changed++
			}
			before = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
