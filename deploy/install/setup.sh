#!/bin/bash
# The GitHub Action installs a release for one job, and adds it to the PATH of later steps. The
# runner's tool cache keeps the archive; every job verifies it again.
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
: "${RUNNER_TEMP:?must be set by the runner}" "${RUNNER_TOOL_CACHE:?must be set by the runner}"
: "${GITHUB_PATH:?must be set by the runner}" "${GITHUB_OUTPUT:?must be set by the runner}"
to=$RUNNER_TEMP/purser

# install.sh reads the version from PURSER_VERSION.
if ! said=$(PATH=$to:$PATH sh "$here/install.sh" --to "$to" --cache "$RUNNER_TOOL_CACHE/purser" 2>&1); then
  printf '%s\n' "$said"
  printf '::error title=purser::%s\n' "$(sed -n '$s/^purser: //p' <<<"$said")"
  exit 1
fi
printf '%s\n' "$said"

printf '%s\n' "$to" >>"$GITHUB_PATH"
read -r _ installed < <("$to/purser" version)
printf 'version=%s\npath=%s\n' "$installed" "$to" >>"$GITHUB_OUTPUT"

if [[ ${PURSER_INSTALL_HELPER:-false} == true ]]; then
  read -ra registries <<<"$PURSER_REGISTRIES"
  "$to/purser" configure-docker "${registries[@]/#/--registry=}"
fi
