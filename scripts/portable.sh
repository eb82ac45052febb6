#!/usr/bin/env bash
# Runs the tests that need no Linux, on macOS and Windows too. With --list it only prints
# their packages. The others run programs of Linux, or compare what only Linux has.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
packages=(
  ./docs ./internal/{arguments,askpage,atomicfile,audit,boundedfile,buildinfo,ciscript,completion,config,credential}
  ./internal/{fileaccess,filelock,incident,keychain,lease,lifecycle,manual,present,receipt,redact,source,terraform}
  ./internal/{signin,transport} ./internal/{registry,sandbox,store,wire}/...
)
if [[ ${1:-} == --list ]]; then
  printf '%s\n' "${packages[@]}"
  exit
fi
go vet ./...
go test -short "${packages[@]}"
go run ./cmd/purser sandbox try >/dev/null
