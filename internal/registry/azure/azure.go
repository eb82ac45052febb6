// Package azure describes Azure's container registries.
package azure

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind returns the description. Azure's tokens have no recognizable prefix.
func Kind() registry.Kind {
	return registry.Kind{Name: "azure", Vendor: credential.Vendor{Title: "Azure", Hosts: []string{".azurecr.io", ".azurecr.cn", ".azurecr.us"}}}
}
