// Package kinds lists the kinds of registries and stores that purser has, a line each.
// Importing it makes them known.
package kinds

import (
	"purser/internal/registry"
	"purser/internal/registry/azure"
	"purser/internal/registry/dockerhub"
	"purser/internal/registry/ecr"
	"purser/internal/registry/github"
	"purser/internal/registry/gitlab"
	"purser/internal/registry/google"
	"purser/internal/registry/quay"
	"purser/internal/store"
	"purser/internal/store/agefile"
	"purser/internal/store/secretsmanager"
)

func init() {
	registry.Know(
		dockerhub.Kind(),
		github.Kind(),
		gitlab.Kind(),
		ecr.Kind(),
		azure.Kind(),
		google.Kind(),
		quay.Kind(),
	)
	store.Know(
		secretsmanager.Kind(),
		agefile.Kind(),
	)
}
