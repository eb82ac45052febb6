package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"purser/internal/boundedfile"
	"purser/internal/credential"
)

// FileName is the name of a project's configuration file.
const FileName = "purser.yaml"

// File is a checked configuration file.
type File struct {
	Path        string // as it was given to Load or Parse
	AWS         AWS    // for targets from elsewhere, such as flags
	Credentials []credential.Credential
	Receipts    Receipts
	// Trusted means that nobody else can have written it; see the function Trusted.
	Trusted bool
}

// Receipts says where records of changes go and what signs them.
type Receipts struct {
	Wanted   bool
	SSHKey   string // the file of the key; "" for none
	KMSKey   string // ARN or alias; "" for none
	File     string // the path, StandardOutput, or "" for none
	EventBus string // name or ARN; "" for none
}

const (
	// NoKey leaves receipts unsigned.
	NoKey = "none"
	// StandardOutput prints receipts.
	StandardOutput = "-"
)

// AWS has the defaults of targets in Secrets Manager. File.Credentials already applies them.
type AWS struct {
	Profile string // "": the environment's
	Region  string // "": the environment's or the profile's
}

// Options resolve paths.
type Options struct {
	Dir  string // the base of relative paths; "": they stay relative
	Home string // the meaning of ~; "": paths with ~ are errors
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// Load reads the configuration file at path.
func Load(path string, env Environment) (*File, error) {
	data, err := boundedfile.Read(path, sizeLimit)
	if err != nil {
		return nil, unreadable(path, err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, unreadable(path, err)
	}
	file, err := Parse(display(path), data, Options{Dir: dir, Home: env.Home})
	if err != nil {
		return nil, err
	}
	file.Path = path
	return file, nil
}

func unreadable(path string, err error) error {
	why := "the read failed"
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		why = e.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "the file does not exist"
	case errors.Is(err, fs.ErrPermission):
		why = "you lack permission"
	}
	return &credential.Fault{Reason: credential.Usage, What: "purser cannot read the configuration file " + display(path), Why: why, Err: err}
}

// display shortens a path for people, and hides one with a token or escapes.
func display(path string) string {
	shown := path
	if cwd, err := os.Getwd(); err == nil && filepath.IsAbs(path) {
		if rel, err := filepath.Rel(cwd, path); err == nil && len(rel) < len(shown) {
			shown = rel
		}
	}
	switch unprintable := func(r rune) bool { return !unicode.IsPrint(r) }; {
	case credential.HoldsToken(shown):
		return "(path not shown)"
	case strings.ContainsFunc(shown, unprintable):
		return strconv.QuoteToASCII(shown)
	}
	return shown
}

// Parse reads a configuration file's text. Errors show its name. The returned error joins one
// Error for each mistake.
func Parse(name string, data []byte, options Options) (*File, error) {
	root, bad := parseSyntax(data)
	if bad != nil {
		return nil, report(name, []problem{*bad})
	}
	if root.kind == null {
		return nil, report(name, []problem{{text: "the file is empty; add the key \"credentials\""}})
	}
	d := &decoder{options: options, objects: allObjects(), patterns: map[string]*regexp.Regexp{}}
	draft := decode(d, fileTable(), value{node: root})
	file := &File{Path: name, AWS: draft.aws, Credentials: d.finish(draft), Receipts: d.finishReceipts(draft.receipts)}
	if len(d.problems) > 0 {
		return nil, report(name, d.problems)
	}
	return file, nil
}

// namesShown limits the names that a message lists.
const namesShown = 20

// Credential returns the credential of that name. If there is none, the error suggests others.
func (f *File) Credential(name credential.Name) (credential.Credential, error) {
	var names []string
	for _, c := range f.Credentials {
		if c.Name == name {
			return c, nil
		}
		names = append(names, string(c.Name))
	}
	why := "it defines " + strings.Join(names[:min(len(names), namesShown)], ", ")
	if rest := len(names) - namesShown; rest > 0 {
		why += " and " + strconv.Itoa(rest) + " more"
	}
	if len(names) == 0 {
		why = "it defines none"
	}
	if meant := Nearest(string(name), names); meant != "" {
		why = "did you mean " + strconv.Quote(meant) + "? " + why
	}
	return credential.Credential{}, &credential.Fault{
		Reason: credential.Usage, What: "the configuration has no credential of that name", Why: why,
	}
}

// Names returns the credentials' names, in the order of the file.
func (f *File) Names() []credential.Name {
	names := make([]credential.Name, len(f.Credentials))
	for i, c := range f.Credentials {
		names[i] = c.Name
	}
	return slices.Clip(names)
}

// Chosen returns the named credentials, or all if no name is given.
func (f *File) Chosen(names []string) ([]credential.Credential, error) {
	if len(names) == 0 {
		return f.Credentials, nil
	}
	var all []credential.Credential
	for _, text := range names {
		name, err := credential.ParseName(text)
		if err != nil {
			return nil, err
		}
		c, err := f.Credential(name)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(all, func(have credential.Credential) bool { return have.Name == c.Name }) {
			all = append(all, c)
		}
	}
	return all, nil
}
