// Package quasar is an example of a new kind of registry.
package quasar

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind describes the registry to purser.
func Kind() registry.Kind {
	return registry.Kind{
		Name: "quasar", Word: "quasar",
		Vendor: credential.Vendor{
			Title: "Quasar", Hosts: []string{"localhost"},
			Forms: []credential.TokenForm{{Prefix: "qsr_", Kind: credential.RegistryToken}},
		},
		Page: func(credential.Access) registry.Page {
			return registry.Page{URL: "https://quasar.example/tokens", Permission: "Beam"}
		},
	}
}
