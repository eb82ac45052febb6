#!/usr/bin/env bash
# Makes a release in dist/. `release.sh snapshot` publishes nothing; the release workflow runs
# `release.sh publish` on a tag.
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
      echo 'release: write the repository'"'"'s address into deploy/home first' >&2
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
  echo 'release: goreleaser is missing; install it with make release-tools' >&2
  exit 1
}
skip=()
keys=
if [[ $1 == snapshot ]]; then
  command -v syft >/dev/null || {
    skip+=(sbom)
    echo 'release: syft is missing; this snapshot has no SBOMs' >&2
  }
  if command -v cosign >/dev/null; then
    # cosign reads its options from here. The key exists for this run alone; the workflow signs
    # with its identity instead.
    keys=$(mktemp -d)
    trap 'rm -rf "$keys"' EXIT
    export COSIGN_PASSWORD='' COSIGN_KEY=$keys/snapshot.key COSIGN_USE_SIGNING_CONFIG=false COSIGN_TLOG_UPLOAD=false
    cosign generate-key-pair --output-key-prefix "$keys/snapshot" 2>/dev/null
  else
    skip+=(sign)
    echo 'release: cosign is missing; this snapshot has no signature' >&2
  fi
fi
if [[ ${#skip[@]} -gt 0 ]]; then arguments+=(--skip="$(
  IFS=,
  echo "${skip[*]}"
)"); fi
goreleaser release --clean "${arguments[@]}"
[[ -z $keys ]] || cp "$keys/snapshot.pub" dist/

version=$(sed -n 's/.*"version": *"\([^"]*\)".*/\1/p' dist/metadata.json)
go run ./deploy/image --version "$version" --commit "$(git rev-parse HEAD)" --date "$(git log -1 --format=%cI)" --source "$PURSER_HOME" --dist dist --to dist/images
if [[ $1 == publish ]]; then
  image=ghcr.io/${PURSER_HOME#*://*/}
  crane auth login ghcr.io -u "$PURSER_OWNER" --password-stdin <<<"$GITHUB_TOKEN"
  deploy/release/push.sh "${image,,}" "$version" | cat dist/checksums.txt - >dist/subjects.txt
fi
