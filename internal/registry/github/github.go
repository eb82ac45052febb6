// Package github describes GitHub's registry.
package github

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind returns the description, with the prefixes in GitHub's documentation, "About authentication to
// GitHub".
func Kind() registry.Kind {
	return registry.Kind{
		Name: "github", Word: "ghcr",
		Vendor: credential.Vendor{
			Title: "GitHub", Hosts: []string{"ghcr.io", ".pkg.github.com", ".ghe.com"}, Everywhere: true,
			Forms: []credential.TokenForm{
				{Prefix: "github_pat_", Kind: credential.RegistryToken}, {Prefix: "ghp_", Kind: credential.RegistryToken},
				{Prefix: "gho_", Kind: credential.Session}, {Prefix: "ghs_", Kind: credential.Session}, {Prefix: "ghu_", Kind: credential.Session},
			},
		},
		Works: works, End: end,
		Page: func(credential.Access) registry.Page {
			return registry.Page{URL: "https://github.com/settings/tokens", Note: "classic, with write:packages"}
		},
	}
}
