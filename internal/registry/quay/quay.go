// Package quay is what purser knows of Quay.
package quay

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind describes it. Its tokens have no mark.
func Kind() registry.Kind {
	return registry.Kind{
		Name: "quay", Word: "quay",
		Vendor: credential.Vendor{Title: "Quay", Hosts: []string{"quay.io"}},
		Page: func(credential.Access) registry.Page {
			return registry.Page{URL: "https://quay.io/organization/", Note: "robot accounts"}
		},
	}
}
