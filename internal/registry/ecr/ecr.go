// Package ecr describes Amazon's Elastic Container Registry.
package ecr

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind returns the description. ECR's tokens have no recognizable prefix.
func Kind() registry.Kind {
	return registry.Kind{Name: "ecr", Vendor: credential.Vendor{Title: "Amazon ECR", Hosts: []string{".amazonaws.com", ".amazonaws.com.cn", "public.ecr.aws"}}}
}
