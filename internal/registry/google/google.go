// Package google describes Google's registries.
package google

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind returns the description. Google's tokens have no recognizable prefix.
func Kind() registry.Kind {
	return registry.Kind{Name: "google", Vendor: credential.Vendor{Title: "Google", Hosts: []string{"gcr.io", ".gcr.io", ".pkg.dev"}}}
}
