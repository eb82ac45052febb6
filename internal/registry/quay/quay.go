// Package quay describes Quay.
package quay

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind returns the description. Quay's tokens have no recognizable prefix.
func Kind() registry.Kind {
	return registry.Kind{
		Name: "quay", Word: "quay",
		Vendor: credential.Vendor{Title: "Quay", Hosts: []string{"quay.io"}},
		Page: func(credential.Access) registry.Page {
			return registry.Page{URL: "https://quay.io/organization/", Note: "robot accounts"}
		},
	}
}
