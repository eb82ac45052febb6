// Package terraform reads what a Terraform configuration says about secrets, and writes the
// configuration for a credential. It runs neither Terraform nor cloud requests, and notes what it does
// not understand.
package terraform

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"purser/internal/boundedfile"
	"purser/internal/credential"
)

// Configuration is the content of a folder's files.
type Configuration struct {
	Dir             string
	Profile, Region string // of the aws provider, if they are literals
	Secrets         []Secret
	Risks           []Risk
	Notes           []string // file:line, and what purser does not understand
}

// Secret is an aws_secretsmanager_secret resource or data source.
type Secret struct {
	Address     string // aws_secretsmanager_secret.dockerhub
	Name        string
	Description string
	KMSKey      string
	Region      string
	At          string   // file:line
	Data        bool     // a data source
	Readers     []string // policy/NAME and role/NAME that may read its value
}

// Risk is a resource that writes a secret's value, and will again.
type Risk struct {
	Address string // aws_secretsmanager_secret_version.dockerhub
	Secret  string // the secret's name, or its address if the name is unknown
	At      string // file:line
	Change  string // HCL that makes it harmless
}

const (
	fileLimit  = 2 << 20 // bytes per file
	filesLimit = 500     // files per folder
)

// Read parses a folder's *.tf files, without subfolders. Its error is a *credential.Fault with the
// reason Usage; a syntax error has file, line and column, and quotes nothing.
func Read(dir string) (*Configuration, error) {
	bodies, err := parse(dir)
	if err != nil {
		return nil, err
	}
	r := &reader{c: &Configuration{Dir: dir}, blocks: bodies}
	r.scope()
	r.provider()
	r.secrets()
	r.readers()
	r.risks()
	return r.c, nil
}

type block struct {
	*hclsyntax.Block
	source []byte // its file
}

// at is file:line of the block's start.
func (b block) at() string { return place(b.DefRange()) }

func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d", filepath.Base(r.Filename), r.Start.Line)
}

// address is the block's Terraform address.
func (b block) address() string {
	text := strings.Join(b.Labels, ".")
	if b.Type == "data" {
		return "data." + text
	}
	return text
}

func (b block) is(kind string) bool { return len(b.Labels) == 2 && b.Labels[0] == kind }

func usage(what, why string) error {
	return &credential.Fault{Reason: credential.Usage, What: what, Why: why}
}

func parse(dir string) ([]block, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, usage("cannot read the Terraform folder", credential.Quote(err.Error()))
	}
	var all []block
	count := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".tf") || e.IsDir() {
			continue
		}
		if count++; count > filesLimit {
			return nil, usage("cannot read the Terraform folder", fmt.Sprintf("%s has more than %d files", dir, filesLimit))
		}
		blocks, err := parseFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, blocks...)
	}
	return all, nil
}

func parseFile(path string) ([]block, error) {
	source, err := boundedfile.Read(path, fileLimit)
	if err != nil {
		return nil, usage("cannot read a Terraform file", path+": "+credential.Quote(cause(err)))
	}
	file, problems := hclparse.NewParser().ParseHCL(source, path)
	if problems.HasErrors() {
		first := problems.Errs()[0]
		at := path
		if d, ok := errors.AsType[*hcl.Diagnostic](first); ok && d.Subject != nil {
			// The summary is the parser's text; the detail may quote the file.
			at, first = fmt.Sprintf("%s:%d:%d", path, d.Subject.Start.Line, d.Subject.Start.Column), errors.New(strings.ToLower(d.Summary))
		}
		return nil, usage("cannot parse a Terraform file", at+": "+credential.Quote(first.Error()))
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil, nil
	}
	all := make([]block, 0, len(body.Blocks))
	for _, b := range body.Blocks {
		all = append(all, block{b, source})
	}
	return all, nil
}

// cause returns a file error without its path.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// FindRisks finds resources that would overwrite a secret's value, in a folder and three levels below.
// It skips files that do not parse, because the user may be editing them.
func FindRisks(root, secret string) []Risk {
	var risks []Risk
	for _, dir := range folders(root, "aws_secretsmanager_secret_version") {
		c, err := Read(dir)
		if err != nil {
			continue
		}
		for _, r := range c.Risks {
			if r.Secret == secret || strings.HasPrefix(secret, "arn:") && strings.Contains(secret, ":secret:"+r.Secret+"-") {
				r.At = filepath.Join(dir, r.At)
				risks = append(risks, r)
			}
		}
	}
	return risks
}

// Find finds the resource that creates a secret, in a folder and three levels below. at is file:line,
// or "". If nothing was found, err is about a file that does not parse.
func Find(root, secret string) (at string, err error) {
	_, found, err := find(root, secret)
	if found == nil {
		return "", err
	}
	return found.At, nil
}

// find is Find with the configuration. At is a path from root's folder on.
func find(root, secret string) (*Configuration, *Secret, error) {
	if secret == "" {
		return nil, nil, nil
	}
	var err error
	for _, dir := range folders(root, "aws_secretsmanager_secret") {
		c, problem := Read(dir)
		if problem != nil {
			err = problem
			continue
		}
		for _, s := range c.Secrets {
			if s.Name == secret && !s.Data {
				s.At = filepath.Join(dir, s.At)
				return c, &s, nil
			}
		}
	}
	return nil, nil, err
}

// Declares returns the block that makes a secret in a project, or nil. Its paths are relative
// to the folder from.
func Declares(root, from, secret string) *credential.Declared {
	c, s, err := find(root, secret)
	if err != nil || s == nil {
		return nil
	}
	near := func(path string) string {
		if rel, err := filepath.Rel(from, path); err == nil {
			return rel
		}
		return path
	}
	d := &credential.Declared{
		Address: s.Address, At: near(s.At), Dir: near(c.Dir), Region: cmp.Or(s.Region, c.Region), Applied: ReadState(c.Dir, secret).ARN,
	}
	if credential.Quote(d.Dir) != d.Dir {
		d.Dir = "" // never suggest a command with such a name
	}
	return d
}

const (
	depthLimit = 3   // levels below the root
	walkLimit  = 200 // Terraform files to open
	entryLimit = 20_000
)

// folders lists the folders with a file that contains word, so that few files are parsed.
func folders(root, word string) []string {
	var found []string
	looked, seen := 0, 0
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if seen++; seen > entryLimit {
			return filepath.SkipAll
		}
		if err != nil {
			return nil //nolint:nilerr // Terraform could not read it here either
		}
		if d.IsDir() {
			rel, _ := filepath.Rel(root, path)
			deep := rel != "." && strings.Count(rel, string(filepath.Separator)) >= depthLimit
			if path != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") || deep {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".tf") || slices.Contains(found, filepath.Dir(path)) {
			return nil
		}
		if looked++; looked > walkLimit {
			return filepath.SkipAll
		}
		if raw, err := boundedfile.Read(path, fileLimit); err == nil && strings.Contains(string(raw), word) {
			found = append(found, filepath.Dir(path))
		}
		return nil
	})
	return found
}

// Overwrites returns a fault if the project's Terraform would overwrite the stored value.
func Overwrites(root string, c credential.Credential) error {
	for _, t := range c.Targets {
		if t.Kind != secretKind {
			continue
		}
		risks := FindRisks(root, t.Name)
		if len(risks) == 0 {
			continue
		}
		r := risks[0]
		if rel, err := filepath.Rel(root, r.At); err == nil {
			r.At = rel
		}
		return &credential.Fault{
			Reason: credential.TerraformOverwrites, Target: t, What: "Terraform would overwrite the value in " + t.Name,
			Why: r.At + ": " + r.Address + " sets a value, and the next apply writes it again", Change: r.Change,
		}
	}
	return nil
}
