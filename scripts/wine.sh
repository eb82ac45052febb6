#!/usr/bin/env bash
# scripts/wine.sh test|run ARGUMENT... is go test or go run for Windows, under Wine. It exits
# with 3, and a line that says why, where that is impossible.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
skip() {
  echo "wine: $1" >&2
  exit 3
}
wine=$(command -v wine64 || command -v /usr/lib/wine/wine64) || skip 'there is no wine64'
[[ $(go env GOHOSTARCH) == amd64 ]] || skip 'Wine runs programs for this machine only, which is not amd64'
work=$(mktemp -d)
trap 'WINEPREFIX=$work/prefix "$(dirname "$wine")/wineserver64" -k 2>/dev/null || :; rm -rf "$work"' EXIT
umask 077
export WINEPREFIX=$work/prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
"$wine" wineboot --init >/dev/null 2>&1 || skip 'wineboot fails'
system=$WINEPREFIX/drive_c/windows/system32
if [[ ! -e $system/bcryptprimitives.dll ]]; then
  as=x86_64-w64-mingw32-as ld=x86_64-w64-mingw32-ld
  command -v "$as" "$ld" >/dev/null || skip 'this Wine needs binutils-mingw-w64-x86-64'
  "$as" -o "$work/prng.o" scripts/wine/bcryptprimitives.s
  "$ld" -shared -e DllMain -o "$system/bcryptprimitives.dll" "$work/prng.o"
fi
# Wine 8 makes symbolic links, but does not follow them.
links='Link|StaysInItsFolder|WithoutAFolderMayBeAnywhere'
# Wine 8 cannot delete as Windows 10 does, so Go's fallback for older ones is used.
calls=$(go env GOROOT)/src/internal/syscall/windows/at_windows.go
sed 's/^var TestDeleteatFallback bool/var TestDeleteatFallback = true/' "$calls" >"$work/at_windows.go"
printf '{"Replace": {"%s": "%s"}}' "$calls" "$work/at_windows.go" >"$work/overlay.json"
verb=$1 flags=(-overlay "$work/overlay.json" -exec "$wine")
[[ $verb != test ]] || flags+=(-skip "$links")
GOOS=windows go "$verb" "${flags[@]}" "${@:2}"
