// Package kinds registers purser's kinds of registries and stores, one line each.
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
