// Package quasar is an example: the room of a registry that purser does not have.
package quasar

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind describes it.
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
