#!/usr/bin/env bash
# Pushes the images in dist/images, and prints their checksums and names, as in checksums.txt.
#
#   push.sh ghcr.io/OWNER/purser 1.2.3
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
version=$2
for program in purser docker-credential-purser; do
  name=$1
  [[ $program == purser ]] || name+=/$program
  pushed=$(crane push --index "dist/images/$program" "$name:$version")
  [[ $version == *-* ]] || crane tag "$pushed" latest >&2
  printf '%s  %s\n' "${pushed##*@sha256:}" "$name"
done
