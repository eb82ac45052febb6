#!/usr/bin/env bash
# Checks the form of all shell, and what shellcheck and actionlint find in scripts and workflows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mapfile -t scripts < <(git ls-files '*.sh' .ci/run deploy/buildkite-plugin/hooks)
go tool -modfile=tools/go.mod shfmt -d -i 2 -ci "${scripts[@]}"
if command -v shellcheck >/dev/null; then
  shellcheck "${scripts[@]}"
else
  echo 'lint: shellcheck is missing; shell is not checked for mistakes' >&2
fi
actionlint=$(go env GOPATH)/bin/actionlint
if [[ -x $actionlint ]]; then
  "$actionlint"
else
  echo 'lint: actionlint is missing; the workflows are not checked' >&2
fi
# An action may change under its tag, and not under its commit.
if grep -nE 'uses: [^.][^@]*@[^ ]*$' .github/workflows/*.yml | grep -vE '@[0-9a-f]{40}'; then
  echo 'lint: pin these actions by commit, with the tag in a comment' >&2
  exit 1
fi
