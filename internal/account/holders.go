package account

import (
	"context"
	"strings"

	"purser/internal/config"
	"purser/internal/credential"
	"purser/internal/lifecycle"
	"purser/internal/present"
)

// Places opens the stores of a credential.
type Places func(ctx context.Context, c credential.Credential) ([]lifecycle.Place, error)

// The descriptions of tokens that no secret holds.
const (
	storedNowhere = "orphaned: purser made it, but no secret holds it"
	storedLogin   = "made by docker login"
	storedUnknown = "not made by purser"
)

// Holders finds out, by their labels, where tokens are stored. It calls no token orphaned
// whose secret it cannot describe.
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
			out[t.ID] = "belongs to " + string(name) + ", which is not in purser.yaml"
			continue
		}
		if _, done := described[name]; !done {
			described[name] = describe(ctx, places, c)
		}
		out[t.ID] = holderText(described[name], c, label)
	}
	return out
}

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
		return "unknown: purser could not look at its secret"
	case !home:
		return "belongs to another project's " + string(c.Name)
	}
	return storedNowhere
}
