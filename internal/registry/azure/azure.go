// Package azure is what purser knows of Azure's container registries.
package azure

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind describes it. Its tokens have no mark; a token with another vendor's is not for it.
func Kind() registry.Kind {
	return registry.Kind{Name: "azure", Vendor: credential.Vendor{Title: "Azure", Hosts: []string{".azurecr.io", ".azurecr.cn", ".azurecr.us"}}}
}
