#!/usr/bin/env bash
# Makes the other parts of a release in a folder: completions, manual pages, and under files/
# the Lambda's zips, the Terraform module, the Buildkite plugin and the installer. The same
# commit gives the same bytes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
to=${1:?the folder to write to}
home=${PURSER_HOME:-$(<deploy/home)}
date=$(git log -1 --format=%cI)
export TZ=UTC SOURCE_DATE_EPOCH GOFLAGS=-buildvcs=true
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)

rm -rf "$to"
mkdir -p "$to"/{completions,man,files}
CGO_ENABLED=0 go build -trimpath -o "$to/purser" ./cmd/purser
for shell in bash:purser.bash zsh:_purser fish:purser.fish powershell:purser.ps1; do
  "$to/purser" completion "${shell%%:*}" >"$to/completions/${shell#*:}"
done
"$to/purser" man "$to/man"
rm "$to/purser"
gzip -9 -n "$to"/man/*
go run ./deploy/lambda "$to/files"

# pack NAME FOLDER archives a folder as the root, like a separate repository. It holds the
# files that links lead to, and the project's address.
pack() {
  local folder
  folder=$(mktemp -d)
  git -C "$2" ls-files -z | tar --directory="$2" --null --no-recursion --dereference \
    --exclude='*.go' --exclude='testprovider/*' --exclude='tests/*' --files-from=- -cf - | tar --directory="$folder" -xf -
  find "$folder" -type f -exec sed -i "s|@HOME@|$home|g" {} +
  find "$folder" -type f -printf '%P\0' | LC_ALL=C sort -z | tar --directory="$folder" --null --no-recursion --mtime="$date" --owner=0 --group=0 \
    --numeric-owner --files-from=- -cf - | gzip -9 -n >"$to/files/$1.tar.gz"
  rm -r "$folder"
}
pack terraform-aws-purser deploy/terraform
pack purser-buildkite-plugin deploy/buildkite-plugin
pack setup-purser-gitlab deploy/gitlab
sed "s|@HOME@|$home|g; s|HOME/releases|$home/releases|g" deploy/install/install.sh >"$to/files/install.sh"
