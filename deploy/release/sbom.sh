#!/usr/bin/env bash
# Writes an archive's SBOM, in SPDX. syft gives each document a random name and the time of the
# run; here the archive's checksum and the commit's date replace them, so that the same commit
# gives the same bytes.
#
#   sbom.sh ARCHIVE DOCUMENT
set -euo pipefail
date=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)
sum=$(sha256sum "$1" | cut -c 1-64)
SYFT_CHECK_FOR_APP_UPDATE=false syft scan --quiet --output spdx-json "file:$1" |
  sed -E 's|("documentNamespace": *)"[^"]*"|\1"https://spdx.org/spdxdocs/purser-'"$sum"'"|; s|("created": *)"[^"]*"|\1"'"$date"'"|' >"$2"
