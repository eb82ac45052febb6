#!/bin/bash
# The GitHub Action installs a release into the runner's tool cache and adds it to the PATH of
# later steps. It does not download a cached version again.
set -euo pipefail

fail() {
  printf '::error title=purser::%s\n' "$1"
  exit 1
}

here=$(dirname "${BASH_SOURCE[0]}")
# The cache works only for a named version: the latest one changes.
version=${PURSER_VERSION:+v${PURSER_VERSION#v}}
case $version in *[!A-Za-z0-9.+_-]*) fail 'version must look like v1.2.3' ;; esac
: "${RUNNER_TOOL_CACHE:?must be set by the runner}" "${GITHUB_PATH:?must be set by the runner}" "${GITHUB_OUTPUT:?must be set by the runner}"
to=$RUNNER_TOOL_CACHE/purser/${version:-latest}/$(uname -m)

if [[ -n $version && -e $to.complete ]]; then
  printf 'purser %s is in the tool cache\n' "$version"
else
  if ! said=$(PATH=$PATH:$to sh "$here/install.sh" ${version:+--version "$version"} --to "$to" 2>&1); then
    printf '%s\n' "$said"
    fail "$(sed -n '$s/^purser: //p' <<<"$said")"
  fi
  printf '%s\n' "$said"
  touch "$to.complete"
fi

printf '%s\n' "$to" >>"$GITHUB_PATH"
read -r _ installed < <("$to/purser" version)
printf 'version=%s\npath=%s\n' "$installed" "$to" >>"$GITHUB_OUTPUT"

if [[ ${PURSER_INSTALL_HELPER:-false} == true ]]; then
  read -ra registries <<<"$PURSER_REGISTRIES"
  "$to/purser" configure-docker "${registries[@]/#/--registry=}"
fi
