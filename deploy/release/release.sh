#!/usr/bin/env bash
# Makes a release into dist/: `release.sh snapshot` makes all of it and publishes nothing,
# `release.sh publish` is for the release workflow, on a tag.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PATH=$PATH:$(go env GOPATH)/bin
PURSER_HOME=${PURSER_HOME:-$(<deploy/home)}
owner=${PURSER_HOME%/*}
PURSER_OWNER=${owner##*/}
export PATH PURSER_HOME PURSER_OWNER
# goreleaser wants the address from git, which a clone of a folder does not have.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=remote.origin.url GIT_CONFIG_VALUE_0=$PURSER_HOME

case ${1:-} in
  snapshot) arguments=(--snapshot) ;;
  publish)
    if [[ $PURSER_HOME == *SET-THE-OWNER* ]]; then
      echo 'release: deploy/home does not name the repository yet; write its address there' >&2
      exit 1
    fi
    arguments=()
    ;;
  *)
    echo 'usage: release.sh snapshot|publish' >&2
    exit 2
    ;;
esac

command -v goreleaser >/dev/null || {
  echo 'release: goreleaser is missing; make release-tools installs it' >&2
  exit 1
}
skip=()
if [[ $1 == snapshot ]]; then
  command -v syft >/dev/null || {
    skip+=(sbom)
    echo 'release: syft is missing; this snapshot has no SBOMs' >&2
  }
  command -v cosign >/dev/null || {
    skip+=(sign)
    echo 'release: cosign is missing; this snapshot has no signature' >&2
  }
fi
if [[ ${#skip[@]} -gt 0 ]]; then arguments+=(--skip="$(
  IFS=,
  echo "${skip[*]}"
)"); fi
goreleaser release --clean "${arguments[@]}"

version=$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' dist/metadata.json)
go run ./deploy/image --version "$version" --commit "$(git rev-parse HEAD)" --date "$(git log -1 --format=%cI)" --source "$PURSER_HOME" --dist dist --to dist/images
if [[ $1 == publish ]]; then
  registry=ghcr.io/${PURSER_HOME#*://*/}
  crane auth login ghcr.io -u "$PURSER_OWNER" --password-stdin <<<"$GITHUB_TOKEN"
  crane push --index dist/images/purser "${registry,,}:$version"
  crane push --index dist/images/docker-credential-purser "${registry,,}/docker-credential-purser:$version"
fi
