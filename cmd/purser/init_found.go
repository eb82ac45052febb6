package main

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"purser/internal/ciscript"
	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/registry"
	"purser/internal/terraform"
)

// drafts are the credentials that flags, Terraform and scripts tell of, each as
// far as they do, and lines that say what was understood. The profile and region
// that they share go into f.
func (f initFlags) drafts(into *initFlags) (drafts []config.Entry, found []string, err error) {
	if f.terraform != "" {
		c, err := terraform.Read(f.terraform)
		if err != nil {
			return nil, nil, err
		}
		drafts, found = fromTerraform(c, into)
	}
	for _, path := range f.scripts {
		s, err := ciscript.Read(path)
		if err != nil {
			return nil, nil, err
		}
		var lines []string
		drafts, lines = fromScript(s, drafts, into)
		found = append(found, lines...)
	}
	if slices.ContainsFunc(found, credential.HoldsToken) {
		return nil, nil, &credential.Fault{
			Reason: credential.TokenInArguments, What: "there is a token in what init was to read", Why: "it is not shown here, and everybody who can read the file has it",
		}
	}
	asked := f.terraform != "" || len(f.scripts) > 0
	if asked && len(drafts) == 0 {
		return nil, nil, &credential.Fault{
			Reason: credential.Usage, What: "no secret was found to write about", Why: strings.Join(append(found, "neither a named secret of Terraform nor a call that gets one"), "; "),
		}
	}
	if !asked && (f.entry.Registry != "" || f.secret != "" || f.file != "" || len(f.entry.Repositories) > 0) {
		drafts = []config.Entry{{}}
	}
	for i := range drafts {
		f.override(&drafts[i], len(drafts) == 1)
	}
	return drafts, found, nil
}

// override puts flags over what was found. Those that name one credential do so
// only where there is one.
func (f initFlags) override(e *config.Entry, only bool) {
	e.Registry = cmp.Or(f.entry.Registry, e.Registry)
	e.Username = cmp.Or(f.entry.Username, e.Username)
	e.Access = cmp.Or(f.entry.Access, e.Access)
	e.Shape = cmp.Or(f.entry.Shape, e.Shape)
	e.Every, e.Overlap = cmp.Or(f.entry.Every, e.Every), cmp.Or(f.entry.Overlap, e.Overlap)
	if len(f.entry.Repositories) > 0 {
		e.Repositories = f.entry.Repositories
	}
	if len(f.entry.Readers) > 0 {
		e.Readers = f.entry.Readers
	}
	if only {
		e.Name = cmp.Or(f.entry.Name, e.Name)
		keep(e, f.secret, f.file)
	}
	e.Name = cmp.Or(e.Name, nameOf(*e))
}

func fromTerraform(c *terraform.Configuration, f *initFlags) (drafts []config.Entry, found []string) {
	f.profile, f.region = cmp.Or(f.profile, c.Profile), cmp.Or(f.region, c.Region)
	for _, s := range c.Secrets {
		e := config.Entry{Kind: config.SecretKind, Target: s.Name, Registry: registryOf(s.Name + " " + s.Description + " " + s.Address), Readers: s.Readers, Shape: shapeOf(s.Name, nil)}
		if s.Region != f.region {
			e.Region = s.Region
		}
		line := fmt.Sprintf("%s: %s is the secret %s", s.At, s.Address, s.Name)
		if e.Registry == "" {
			found = append(found, line+"; its name tells no registry, so it is left out")
			continue
		}
		line += ", for " + e.Registry
		if len(s.Readers) > 0 {
			line += ", read by " + strings.Join(s.Readers, ", ")
		}
		drafts, found = append(drafts, e), append(found, line)
	}
	for _, r := range c.Risks {
		found = append(found, fmt.Sprintf("%s: %s writes a value of its own over what purser stores", r.At, r.Address))
	}
	return drafts, append(found, c.Notes...)
}

// fromScript adds what scripts do with a secret to what Terraform says of it.
func fromScript(s ciscript.Findings, drafts []config.Entry, f *initFlags) ([]config.Entry, []string) {
	var found []string
	for _, u := range s.Uses {
		f.profile, f.region = cmp.Or(f.profile, u.Profile), cmp.Or(f.region, u.Region)
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

// within takes the registry off an image that is of it.
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
		return "", false // docker's own registry, since none is named
	}
	return string(repository), true
}

// registryOf guesses from words that people put into names.
func registryOf(text string) string {
	text = strings.ToLower(text)
	if k := registry.KindIn(text); k != nil {
		return string(k.Host())
	}
	return ""
}

// shapeOf guesses from the secret's name and the keys that are read from it;
// "" is the default shape.
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

var nameBad = regexp.MustCompile(`[^a-z0-9._-]+`)

// nameOf makes a credential's name of its secret's.
func nameOf(e config.Entry) string {
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
	text = strings.Trim(nameBad.ReplaceAllString(strings.ToLower(cmp.Or(text, e.Registry)), "-"), "-.")
	return cmp.Or(text, "registry")
}

// unique tells credentials of one name apart by the rest of their secrets'.
func unique(drafts []config.Entry) []config.Entry {
	count := map[string]int{}
	for _, e := range drafts {
		count[e.Name]++
	}
	for i, e := range drafts {
		if count[e.Name] > 1 {
			drafts[i].Name = strings.Trim(nameBad.ReplaceAllString(strings.ToLower(e.Target), "-"), "-.")
		}
	}
	return drafts
}
