// Package google is what purser knows of Google's registries.
package google

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind describes it. Its tokens have no mark; a token with another vendor's is not for it.
func Kind() registry.Kind {
	return registry.Kind{Name: "google", Vendor: credential.Vendor{Title: "Google", Hosts: []string{"gcr.io", ".gcr.io", ".pkg.dev"}}}
}
