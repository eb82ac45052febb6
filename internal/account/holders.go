package account

import (
	"context"
	"strings"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
)

// Places makes the stores of a credential.
type Places func(ctx context.Context, c credential.Credential) ([]lifecycle.Place, error)

// Where a token is, in words.
const (
	storedNowhere = "nobody's: purser made it, and no secret holds it"
	storedLogin   = "docker login made it for itself"
	storedUnknown = "not made by purser"
)

// Holders finds by their labels where tokens are stored. A secret that cannot be
// described is no reason to call a token nobody's.
func Holders(ctx context.Context, file *config.File, places Places, tokens []credential.ManagedToken) map[string]string {
	described := map[credential.Name][]looked{}
	out := map[string]string{}
	for _, t := range tokens {
		label, ours := credential.ParseLabel(t.Label)
		name := label.Name
		switch {
		case t.Automatic:
			out[t.ID] = storedLogin
			continue
		case !ours:
			out[t.ID] = storedUnknown
			continue
		}
		c, err := file.Credential(name)
		if err != nil {
			out[t.ID] = "of a credential " + string(name) + " that is not in purser.yaml"
			continue
		}
		if _, done := described[name]; !done {
			described[name] = describe(ctx, places, c)
		}
		out[t.ID] = holderText(described[name], c, label)
	}
	return out
}

// looked is a target with what it holds.
type looked struct {
	credential.Description
	target credential.Target
	err    error
}

func describe(ctx context.Context, places Places, c credential.Credential) []looked {
	var seen []looked
	made, err := places(ctx, c)
	if err != nil {
		return []looked{{err: err}}
	}
	for _, p := range made {
		d, err := p.Store.Describe(ctx)
		seen = append(seen, looked{d, p.Target, err})
	}
	return seen
}

func holderText(places []looked, c credential.Credential, label credential.Label) string {
	var where []string
	unsure, home := false, false
	for _, p := range places {
		unsure = unsure || p.err != nil
		home = home || label.MadeFor(credential.HomeOf(c.Registry, p.Description))
		for _, v := range p.Versions {
			if v.ID == label.Version {
				where = append(where, p.target.String()+" ("+strings.Join(present.Texts(v.Stages), ", ")+")")
			}
		}
	}
	switch {
	case len(where) > 0:
		return strings.Join(where, ", ")
	case unsure:
		return "cannot tell: its secret could not be looked at"
	case !home:
		return "of another project's " + string(c.Name)
	}
	return storedNowhere
}
