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

// FileName is what the configuration file of a project is called.
const FileName = "purser.yaml"

// File is what a configuration file says, checked.
type File struct {
	Path        string // as it was given to Load or Parse
	AWS         AWS    // for targets that come from elsewhere, such as flags
	Credentials []credential.Credential
	Receipts    Receipts
	// Trusted says that others cannot have written it: see the function Trusted.
	Trusted bool
}

// Receipts say where records of changes go, and what signs them.
type Receipts struct {
	Wanted   bool
	SSHKey   string // the file of the key; "" for none
	KMSKey   string // ARN or alias; "" for none
	File     string // the path, StandardOutput, or "" for none
	EventBus string // name or ARN; "" for none
}

const (
	// NoKey is the key of receipts that are not signed.
	NoKey = "none"
	// StandardOutput is the file of receipts that are printed.
	StandardOutput = "-"
)

// AWS is what targets in Secrets Manager use that do not say otherwise. The
// targets in File.Credentials have it already.
type AWS struct {
	Profile string // "": the environment's
	Region  string // "": the environment's or the profile's
}

// Options say what a file's text depends on.
type Options struct {
	Dir  string // the folder that relative paths start from; "": they stay relative
	Home string // what ~ stands for; "": paths with ~ are an error
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
	why := "reading it failed"
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		why = e.Err.Error()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		why = "there is no such file"
	case errors.Is(err, fs.ErrPermission):
		why = "you may not read it"
	}
	return &credential.Fault{Reason: credential.Usage, What: "the configuration file " + display(path) + " cannot be read", Why: why, Err: err}
}

// display is a path as it is shown: from the working directory where that is
// shorter, and never with a token or a terminal's escapes in it.
func display(path string) string {
	shown := path
	if cwd, err := os.Getwd(); err == nil && filepath.IsAbs(path) {
		if rel, err := filepath.Rel(cwd, path); err == nil && len(rel) < len(shown) {
			shown = rel
		}
	}
	switch unprintable := func(r rune) bool { return !unicode.IsPrint(r) }; {
	case credential.HoldsToken(shown):
		return "(a path that is not shown)"
	case strings.ContainsFunc(shown, unprintable):
		return strconv.QuoteToASCII(shown)
	}
	return shown
}

// Parse reads a configuration file's text. The name is for messages. An error
// joins one Error for each problem.
func Parse(name string, data []byte, options Options) (*File, error) {
	root, bad := parseSyntax(data)
	if bad != nil {
		return nil, report(name, []problem{*bad})
	}
	if root.kind == null {
		return nil, report(name, []problem{{text: "the file is empty; it needs the key \"credentials\""}})
	}
	d := &decoder{options: options, objects: allObjects(), patterns: map[string]*regexp.Regexp{}}
	draft := decode(d, fileTable(), value{node: root})
	file := &File{Path: name, AWS: draft.aws, Credentials: d.finish(draft), Receipts: d.finishReceipts(draft.receipts)}
	if len(d.problems) > 0 {
		return nil, report(name, d.problems)
	}
	return file, nil
}

// namesShown bounds how many names a message lists.
const namesShown = 20

// Credential is the credential of that name. The error for one that is not there
// names the nearest, and those there are.
func (f *File) Credential(name credential.Name) (credential.Credential, error) {
	var names []string
	for _, c := range f.Credentials {
		if c.Name == name {
			return c, nil
		}
		names = append(names, string(c.Name))
	}
	why := "it has " + strings.Join(names[:min(len(names), namesShown)], ", ")
	if rest := len(names) - namesShown; rest > 0 {
		why += " and " + strconv.Itoa(rest) + " more"
	}
	if len(names) == 0 {
		why = "it has none"
	}
	if meant := Nearest(string(name), names); meant != "" {
		why = "did you mean " + strconv.Quote(meant) + "? " + why
	}
	return credential.Credential{}, &credential.Fault{
		Reason: credential.Usage, What: "the configuration has no credential of that name", Why: why,
	}
}

// Names are the names of the credentials, in the order of the file.
func (f *File) Names() []credential.Name {
	names := make([]credential.Name, len(f.Credentials))
	for i, c := range f.Credentials {
		names[i] = c.Name
	}
	return slices.Clip(names)
}

// Chosen are the credentials that names stand for, all where there are none.
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
