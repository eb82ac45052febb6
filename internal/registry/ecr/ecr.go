// Package ecr is what purser knows of Amazon's Elastic Container Registry.
package ecr

import (
	"purser/internal/credential"
	"purser/internal/registry"
)

// Kind describes it. Its tokens have no mark; a token with another vendor's is not for it.
func Kind() registry.Kind {
	return registry.Kind{Name: "ecr", Vendor: credential.Vendor{Title: "Amazon ECR", Hosts: []string{".amazonaws.com", ".amazonaws.com.cn", "public.ecr.aws"}}}
}
