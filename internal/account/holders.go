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
	described := map[credential.Name][]held{}
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
		if _, looked := described[name]; !looked {
			described[name] = describe(ctx, places, c)
		}
		out[t.ID] = holderText(described[name], c, label)
	}
	return out
}

// held is a target with what it holds.
type held struct {
	credential.Description
	target credential.Target
	err    error
}

func describe(ctx context.Context, places Places, c credential.Credential) []held {
	var seen []held
	made, err := places(ctx, c)
	if err != nil {
		return []held{{err: err}}
	}
	for _, p := range made {
		d, err := p.Store.Describe(ctx)
		seen = append(seen, held{d, p.Target, err})
	}
	return seen
}

func holderText(places []held, c credential.Credential, label credential.Label) string {
	var where []string
	unsure, home := false, false
	for _, p := range places {
		unsure = unsure || p.err != nil
		home = home || label.MadeFor(string(c.Registry)+"\x00"+p.Home)
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
