// Package draft makes entries of purser.yaml from flags, Terraform configurations and CI scripts.
package draft

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"purser/internal/ciscript"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/terraform"
)

// Wanted is what the flags of init say.
type Wanted struct {
	Entry           config.Entry
	Secret, File    string // the store
	Profile, Region string // for everything in AWS
	Terraform       string // folder
	Scripts         []string
}

// Drafts returns the credentials found in flags, Terraform and scripts, possibly incomplete, and lines
// that say what was understood. It puts their common profile and region into f.
func (f *Wanted) Drafts() (drafts []config.Entry, found []string, err error) {
	if f.Terraform != "" {
		c, err := terraform.Read(f.Terraform)
		if err != nil {
			return nil, nil, err
		}
		drafts, found = f.fromTerraform(c)
	}
	for _, path := range f.Scripts {
		s, err := ciscript.Read(path)
		if err != nil {
			return nil, nil, err
		}
		var lines []string
		drafts, lines = f.fromScript(s, drafts)
		found = append(found, lines...)
	}
	if slices.ContainsFunc(found, credential.HoldsToken) {
		return nil, nil, &credential.Fault{
			Reason: credential.TokenInArguments, What: "a file that init reads contains a token", Why: "purser does not show it, but everybody who can read the file has it",
		}
	}
	asked := f.Terraform != "" || len(f.Scripts) > 0
	if asked && len(drafts) == 0 {
		return nil, nil, &credential.Fault{
			Reason: credential.Usage, What: "found no secret for purser.yaml", Why: strings.Join(append(found, "there is no named secret in Terraform and no call that reads one"), "; "),
		}
	}
	if !asked && (f.Entry.Registry != "" || f.Secret != "" || f.File != "" || len(f.Entry.Repositories) > 0) {
		drafts = []config.Entry{{}}
	}
	for i := range drafts {
		f.override(&drafts[i], len(drafts) == 1)
	}
	return drafts, found, nil
}

// override applies flags to what was found. Flags that describe one credential apply only if there is one.
func (f *Wanted) override(e *config.Entry, only bool) {
	e.Registry = cmp.Or(f.Entry.Registry, e.Registry)
	e.Username = cmp.Or(f.Entry.Username, e.Username)
	e.Access = cmp.Or(f.Entry.Access, e.Access)
	e.Shape = cmp.Or(f.Entry.Shape, e.Shape)
	e.Every, e.Overlap = cmp.Or(f.Entry.Every, e.Every), cmp.Or(f.Entry.Overlap, e.Overlap)
	if len(f.Entry.Repositories) > 0 {
		e.Repositories = f.Entry.Repositories
	}
	if len(f.Entry.Readers) > 0 {
		e.Readers = f.Entry.Readers
	}
	if only {
		e.Name = cmp.Or(f.Entry.Name, e.Name)
		Keep(e, f.Secret, f.File)
	}
	e.Name = cmp.Or(e.Name, NameOf(*e))
}

func (f *Wanted) fromTerraform(c *terraform.Configuration) (drafts []config.Entry, found []string) {
	f.Profile, f.Region = cmp.Or(f.Profile, c.Profile), cmp.Or(f.Region, c.Region)
	for _, s := range c.Secrets {
		e := config.Entry{Kind: config.SecretKind, Target: s.Name, Registry: registryOf(s.Name + " " + s.Description + " " + s.Address), Readers: s.Readers, Shape: shapeOf(s.Name, nil)}
		if s.Region != f.Region {
			e.Region = s.Region
		}
		line := fmt.Sprintf("%s: %s is the secret %s", s.At, s.Address, s.Name)
		if e.Registry == "" {
			found = append(found, line+"; skipped, because its name does not say which registry it is for")
			continue
		}
		line += ", for " + e.Registry
		if len(s.Readers) > 0 {
			line += ", read by " + strings.Join(s.Readers, ", ")
		}
		drafts, found = append(drafts, e), append(found, line)
	}
	for _, r := range c.Risks {
		found = append(found, fmt.Sprintf("%s: %s overwrites the value that purser stores", r.At, r.Address))
	}
	return drafts, append(found, c.Notes...)
}

// fromScript adds what scripts do with a secret to the drafts.
func (f *Wanted) fromScript(s ciscript.Findings, drafts []config.Entry) ([]config.Entry, []string) {
	var found []string
	for _, u := range s.Uses {
		f.Profile, f.Region = cmp.Or(f.Profile, u.Profile), cmp.Or(f.Region, u.Region)
		i := slices.IndexFunc(drafts, func(e config.Entry) bool { return e.Target == u.Secret })
		if i < 0 {
			drafts = append(drafts, config.Entry{Kind: config.SecretKind, Target: u.Secret})
			i = len(drafts) - 1
		}
		e := &drafts[i]
		e.Registry = cmp.Or(u.Registry, e.Registry, registryOf(u.Secret))
		if e.Registry == "" && u.SignsIn {
			e.Registry = string(credential.Default()) // docker login without a host
		}
		e.Username = cmp.Or(e.Username, u.Username)
		e.Shape = cmp.Or(shapeOf(u.Secret, u.Keys), e.Shape)
		line := fmt.Sprintf("%s: gets the secret %s", u.At, u.Secret)
		if len(u.Keys) > 0 {
			line += ", its keys " + strings.Join(u.Keys, " and ")
		}
		if e.Registry != "" {
			line += ", for " + e.Registry
		}
		found = append(found, line)
	}
	for i := range drafts {
		for _, image := range s.Images {
			if repository, ok := within(drafts[i].Registry, image); ok && !slices.Contains(drafts[i].Repositories, repository) {
				drafts[i].Repositories = append(drafts[i].Repositories, repository)
			}
		}
	}
	return drafts, append(found, s.Notes...)
}

// within strips the registry from an image, and reports whether the image belongs to it.
func within(name, image string) (string, bool) {
	host, err := credential.ParseHost(cmp.Or(name, string(credential.Default())))
	if err != nil {
		return "", false
	}
	repository, err := credential.ParseRepository(host, image)
	if err != nil {
		return "", false
	}
	first, _, _ := strings.Cut(image, "/")
	if host != credential.Default() && !strings.ContainsAny(first, ".:") {
		return "", false // without a registry, it is Docker Hub's
	}
	return string(repository), true
}

// registryOf guesses from words in names.
func registryOf(text string) string {
	text = strings.ToLower(text)
	if k := registry.KindIn(text); k != nil {
		return string(k.Host())
	}
	return ""
}

// shapeOf guesses from the secret's name and the keys read from it; "" is the default shape.
func shapeOf(secret string, keys []string) string {
	has := func(key string) bool { return slices.Contains(keys, key) }
	switch {
	case strings.HasPrefix(secret, "ecr-pullthroughcache/") || has("accessToken"):
		return "ecr-pull-through-cache"
	case has("username") && has("password"):
		return "password"
	case len(keys) == 2 && !has("token"):
		return keys[0] + "," + keys[1]
	}
	return ""
}

var nameBad = credential.NewPattern(`[^a-z0-9._-]+`)

// NameOf derives a credential's name from its secret's.
func NameOf(e config.Entry) string {
	text := ""
	if e.Kind == config.SecretKind {
		text = e.Target
	}
	if i := strings.LastIndex(text, ":secret:"); i >= 0 {
		text = text[i+len(":secret:"):]
	}
	if i := strings.LastIndex(text, "/"); i >= 0 {
		text = text[i+1:]
	}
	text = strings.Trim(nameBad().ReplaceAllString(strings.ToLower(cmp.Or(text, e.Registry)), "-"), "-.")
	return cmp.Or(text, "registry")
}

// Unique uses the full secret name where credentials would have the same name.
func Unique(drafts []config.Entry) []config.Entry {
	count := map[string]int{}
	for _, e := range drafts {
		count[e.Name]++
	}
	for i, e := range drafts {
		if count[e.Name] > 1 {
			drafts[i].Name = strings.Trim(nameBad().ReplaceAllString(strings.ToLower(e.Target), "-"), "-.")
		}
	}
	return drafts
}

// Keep sets an entry's store to a secret or a file, if one is given.
func Keep(e *config.Entry, secret, file string) {
	switch {
	case secret != "":
		e.Kind, e.Target = config.SecretKind, secret
	case file != "":
		e.Kind, e.Target = config.FileKind, file
	}
}

// Complete returns a fault with the flags that a draft lacks.
func Complete(e config.Entry) error {
	var lacks []string
	if e.Registry == "" {
		lacks = append(lacks, "--registry")
	}
	if len(e.Repositories) == 0 {
		lacks = append(lacks, "--repository")
	}
	if len(lacks) == 0 {
		return nil
	}
	of := cmp.Or(e.Target, e.Name, "the credential")
	return &credential.Fault{
		Reason: credential.Usage, What: credential.Quote(of) + " is incomplete",
		Why: "add " + strings.Join(lacks, " and ") + "; nothing was written",
	}
}

// DifferFrom sets a credential's profile and region if they differ from the file's defaults.
func (f *Wanted) DifferFrom(e *config.Entry, aws config.AWS) {
	if e.Kind != config.SecretKind {
		return
	}
	if f.Profile != "" && f.Profile != aws.Profile {
		e.Profile = f.Profile
	}
	if f.Region != "" && f.Region != aws.Region && e.Region == "" {
		e.Region = f.Region
	}
}
