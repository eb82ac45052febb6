#!/usr/bin/env bash
# Checks format, vet and the tests of what differs from the last commit, or from the commit
# that you name, while you work. A change must pass make test.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
since=${1:-HEAD}

mapfile -t files < <({
  git diff --name-only --diff-filter=d "$since"
  git ls-files --others --exclude-standard
} | sort -u)
declare -A seen=()
go=() packages=() long=()
for f in "${files[@]}"; do
  [[ $f == *.go ]] && go+=("$f")
  dir=$(dirname "$f")
  while [[ $dir != . && $dir == */testdata* ]]; do dir=$(dirname "$dir"); done
  [[ -n ${seen[$dir]:-} ]] && continue
  seen[$dir]=1
  compgen -G "$dir/*.go" >/dev/null || continue
  case $dir in
    cmd/purser | cmd/purser-lambda | cmd/purser-exposure | internal/conformance | internal/soak | internal/redact) long+=("./$dir") ;;
    *) packages+=("./$dir") ;;
  esac
done
if [[ ${#go[@]} -gt 0 ]]; then
  bad=$(gofmt -l "${go[@]}")
  [[ -z $bad ]] || {
    printf 'not formatted; run gofmt -w on:\n%s\n' "$bad" >&2
    exit 1
  }
fi
[[ ${#packages[@]} -gt 0 || ${#long[@]} -gt 0 ]] || {
  echo 'quick: no package differs from' "$since" >&2
  exit 0
}
go vet "${packages[@]}" "${long[@]}"
go test . "${packages[@]}"
for p in "${long[@]}"; do
  echo "quick: skipped the tests of $p, which take minutes: go test $p -run NAME" >&2
done
