// Package gitlab describes GitLab's registry.
package gitlab

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind returns the description, with the prefixes in GitLab's documentation, "Token overview".
func Kind() registry.Kind {
	return registry.Kind{
		Name: "gitlab", Word: "gitlab",
		Vendor: credential.Vendor{
			Title: "GitLab", Hosts: []string{"registry.gitlab.com"}, Everywhere: true,
			Forms: []credential.TokenForm{
				{Prefix: "glpat-", Kind: credential.RegistryToken}, {Prefix: "gldt-", Kind: credential.RegistryToken}, {Prefix: "glrt-", Kind: credential.RegistryToken},
			},
		},
		Page: func(credential.Access) registry.Page {
			return registry.Page{URL: "https://gitlab.com/-/user_settings/personal_access_tokens", Note: "read_registry and write_registry"}
		},
	}
}
