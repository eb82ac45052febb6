#!/bin/sh
# Installs purser and docker-credential-purser from a release, and verifies them.
#
#   curl -fsSL HOME/releases/latest/download/install.sh | sh
#   curl -fsSL HOME/releases/latest/download/install.sh | sh -s -- --version v1.2.3 --to ~/bin
#
# It installs nothing before the checksums match. If cosign is on the PATH, it also verifies
# the signature of the checksums; PURSER_SIGNATURE=required insists on that. The body is a
# function, so that half a download runs nothing.
set -eu

# These change what a shell, tar, gzip or grep does. LC_ALL decides what [a-z] matches.
unset IFS CDPATH TAR_OPTIONS GZIP GREP_OPTIONS
export LC_ALL=C
# curl reads both cases of these, wget only the lower one.
[ -z "${HTTPS_PROXY:-}" ] || export https_proxy="${https_proxy:-$HTTPS_PROXY}"
[ -z "${NO_PROXY:-}" ] || export no_proxy="${no_proxy:-$NO_PROXY}"

# A release replaces this with the project's address from deploy/home.
project=@HOME@
home=${PURSER_HOME:-$project}
home=${home%/}

say() { printf 'purser: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}
# show prints what another program or a server said, without control characters.
show() { tr -cd '\11\12\40-\176' >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

usage() {
  cat >&2 <<'USAGE'
usage: install.sh [--version VERSION] [--to FOLDER] [--cache FOLDER]

  --version VERSION   install this version, such as v1.2.3 (default: latest)
  --to FOLDER         install to this folder; the default is /usr/local/bin
                      as root, else ~/.local/bin
  --cache FOLDER      keep archives here; the next run verifies them again

  PURSER_HOME=URL             download from here, such as your own mirror
  PURSER_SIGNATURE=required   fail if cosign is missing to verify the signature
  PURSER_COSIGN_KEY=FILE      verify with this key, for your own releases
  HTTPS_PROXY=URL             download through this proxy
USAGE
}

# get URL FILE BLOCKS downloads at most so many blocks of 512 bytes. It ignores ~/.curlrc and
# ~/.wgetrc, and follows no redirect from https to http.
get() {
  protocols='=http,https'
  case $1 in https:*) protocols='=https' ;; esac
  (
    ulimit -f "$3" # a server may send without end
    if have curl; then
      curl -q -fsSL --proto "$protocols" --max-redirs 5 --connect-timeout 20 --speed-limit 1 --speed-time 60 \
        --retry 2 --retry-max-time 60 -o "$2" "$1"
    else
      # wget cannot refuse http, so a proxy that does not exist does.
      case $1 in https:*) export http_proxy=http://127.0.0.1:1 ;; esac
      printf 'tries = 2\ntimeout = 20\nmax_redirect = 5\n' >"$tmp/wgetrc"
      WGETRC=$tmp/wgetrc wget -O "$2" "$1"
    fi
  ) 2>"$tmp/why" || {
    [ $? != 153 ] || echo 'File size limit exceeded' >"$tmp/why" # by SIGXFSZ
    return 1
  }
  # busybox says so when neither it nor openssl can check who answers.
  ! grep -q 'certificate validation not implemented' "$tmp/why"
}
few=4096 many=1048576

# because prints the error of the last download.
because() { { grep '^curl: (' "$tmp/why" || grep . "$tmp/why" || :; } | tail -n 1; }

# cannot WHAT ends the installer, with the reason and what to do next.
cannot() {
  case $(because) in
    *' 407'* | *'Proxy Authentication'*) why='the proxy wants a login; set HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT' ;;
    *certificate* | *' SSL'* | *TLS*) why='if your network inspects TLS, add its certificate authority to this machine' ;;
    *' 404'*) why='the release may still be uploading, so try again in a few minutes' ;;
    *' 429'* | *' 50'[0-9]*) why='the server is busy; try again in a few minutes' ;;
    *) why='check the network, and HTTPS_PROXY if you need a proxy' ;;
  esac
  case $(cat "$tmp/why") in
    *'validation not implemented'*) why='this wget does not check certificates; install curl' ;;
    *'ile size limit'* | *'ile too large'*) why='it sends more than a release has; check PURSER_HOME and your proxy' ;;
  esac
  because | show
  # A full disk has no room for the error either.
  echo full 2>/dev/null >"$tmp/full" || why='the disk is full; free some space, or set TMPDIR to a folder that has some'
  fail "cannot $1: $why"
}

digest() {
  if have sha256sum; then
    sha256sum <"$1" | cut -d ' ' -f 1
  elif have shasum; then
    shasum -a 256 <"$1" | cut -d ' ' -f 1
  else
    openssl dgst -sha256 -r <"$1" | cut -d ' ' -f 1
  fi
}

# releases lists the versions in the home's feed, newest first.
releases() {
  sed -n 's|.*/releases/tag/\([A-Za-z0-9.+_-]*\)".*|\1|p' "$tmp/releases" | awk '!seen[$0]++'
}

platform() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) fail "there is no archive for $(uname -s); for Windows see $home/releases, for others build purser with Go" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "there is no archive for $(uname -m), only for amd64 and arm64; build purser with Go" ;;
  esac
}

# verify_signature checks that this project's release workflow signed the checksums. A mirror
# in PURSER_HOME does not change who that is.
verify_signature() {
  if ! have cosign; then
    [ "${PURSER_SIGNATURE:-}" != required ] || fail 'cannot verify the signature without cosign; install cosign, or unset PURSER_SIGNATURE'
    say 'cosign is not installed, so this verifies only the checksum, not the signature'
    return
  fi
  get "$from/checksums.txt.sigstore.json" "$tmp/signature" "$few" || cannot "download the signature $from/checksums.txt.sigstore.json"
  case $project in http*) signer=$project ;; *) signer=$home ;; esac
  if [ -n "${PURSER_COSIGN_KEY:-}" ]; then
    set -- --key "$PURSER_COSIGN_KEY" --insecure-ignore-tlog=true
  else
    set -- --certificate-identity-regexp "^$(printf '%s' "$signer" | sed 's/[.]/\\./g')/\.github/workflows/release\.yml@refs/tags/v" \
      --certificate-oidc-issuer https://token.actions.githubusercontent.com
  fi
  cosign verify-blob --bundle "$tmp/signature" "$@" "$tmp/checksums" >"$tmp/cosign" 2>&1 || {
    show <"$tmp/cosign"
    case $(tail -n 1 "$tmp/cosign") in *[Tt][Uu][Ff]*) fail 'cosign cannot get the keys of Sigstore, so nothing was installed; check the network, and HTTPS_PROXY if you need a proxy' ;; esac
    fail 'this project did not sign the checksums, so nothing was installed'
  }
  say 'the signature is valid'
}

# get_checksums downloads them. The sign-in page of a network is no list.
get_checksums() {
  if ! get "$from/checksums.txt" "$tmp/checksums" "$few"; then
    case $(because) in *' 404'*) ;; *) cannot "reach $home" ;; esac
    cp "$tmp/why" "$tmp/missing"
    get "$home/releases.atom" "$tmp/releases" "$few" || : >"$tmp/releases"
    there=$(releases | tr '\n' ' ')
    cp "$tmp/missing" "$tmp/why"
    case " $there" in
      *" $version "*) cannot "download the checksums of $version" ;;
      ' ') fail "$home has no release $version, and no list of releases; check the address and the version" ;;
      *) fail "release $version does not exist; these do: $there" ;;
    esac
  fi
  if [ ! -s "$tmp/checksums" ] || grep -qvE '^([0-9a-f]{64} [ *][A-Za-z0-9._+~-]+)?$' "$tmp/checksums"; then
    fail "$from/checksums.txt is not a list of checksums, so nothing was installed; a proxy or a sign-in page may have answered, so open the address in a browser"
  fi
}

# read_checksum sets want to the archive's digest.
read_checksum() {
  want=$(awk -v name="$archive" '{ sub(/^[*]/, "", $2) } $2 == name { print $1 }' "$tmp/checksums")
  case $want in
    '') fail "release $version has no $archive; it may still be uploading, so try again in a few minutes" ;;
    *[!0-9a-f]*) fail "the checksums of $version have $archive twice, so nothing was installed; tell the project" ;;
  esac
}

# prepare_cache makes the cache. If others may write to the folder, they could put links there.
prepare_cache() {
  [ -n "$cache" ] || return 0
  # shellcheck disable=SC2174 # the folders above keep the mode of the machine
  mkdir -p -m 700 "$cache" 2>/dev/null || :
  if [ ! -d "$cache" ] || [ ! -w "$cache" ]; then
    say "cannot write to the cache $cache, so this downloads everything; choose another folder with --cache"
    cache=
  elif [ -z "$(find "$cache/." -prune -user "$(id -u)" ! -perm -020 ! -perm -002)" ]; then
    say "others may write to the cache $cache, so this does not use it; run chmod go-w $cache, or choose another folder with --cache"
    cache=
  fi
}

# fetch_archive takes the archive from the cache or from the release, and verifies it. A build
# that runs as the same user can change the cache, so this verifies a copy in every run.
fetch_archive() {
  kept=$cache/$archive
  if [ -n "$cache" ] && [ -f "$kept" ]; then
    cp "$kept" "$tmp/archive" 2>/dev/null || :
    [ "$(digest "$tmp/archive")" != "$want" ] || return 0
    say "$kept does not match the release's checksums, so this downloads it again"
  fi
  get "$from/$archive" "$tmp/archive" "$many" || cannot "download $from/$archive"
  if [ "$(digest "$tmp/archive")" != "$want" ]; then
    fail "$archive does not match the release's checksums, so nothing was installed; it may still be uploading, or a proxy may have changed it, so try again in a few minutes, or else tell the project"
  fi
  [ -n "$cache" ] || return 0
  # A rename lets two runs keep the same archive at once.
  [ ! -d "$kept" ] || rm -rf "$kept"
  { new=$(mktemp "$cache/.new.XXXXXX") && cp "$tmp/archive" "$new" && mv -f "$new" "$kept"; } 2>/dev/null ||
    say "cannot keep the archive in $cache; the next run downloads it again"
}

# place unpacks the programs beside their places, tries them, and moves them. A move replaces
# a program without breaking a running copy.
place() {
  mkdir -p "$to" 2>"$tmp/why" || fail "cannot make the folder $to; choose another one with --to"
  stage=$(mktemp -d "$to/.purser.XXXXXX" 2>"$tmp/why") || fail "cannot write to $to; choose another folder with --to, or use sudo"
  for program in purser docker-credential-purser; do
    # To standard output, so that links and paths in the archive mean nothing.
    if ! tar -xzOf "$tmp/archive" "$program" >"$stage/$program" 2>"$tmp/why" || [ ! -s "$stage/$program" ]; then
      show <"$tmp/why"
      fail "cannot unpack $program to $to; check that its disk is not full, or else tell the project"
    fi
    chmod 755 "$stage/$program"
    [ ! -d "$to/$program" ] || fail "$to/$program is a folder; remove it, or choose another folder with --to"
  done
  installed=$("$stage/purser" version 2>"$tmp/why") || {
    show <"$tmp/why"
    fail "purser does not start in $to, so nothing was installed; if that folder is mounted with noexec, choose another one with --to"
  }
  for program in purser docker-credential-purser; do
    mv -f "$stage/$program" "$to/$program" || fail "cannot replace $to/$program; choose another folder with --to"
  done
}

main() {
  version=${PURSER_VERSION:-} to='' cache='' new='' stage=''
  while [ $# -gt 0 ]; do
    case $1 in
      --version | --to | --cache)
        [ -n "${2:-}" ] || fail "$1 needs a value"
        case $1 in
          --version) version=$2 ;;
          --to) to=$2 ;;
          *) cache=$2 ;;
        esac
        shift 2
        ;;
      -h | --help)
        usage
        exit 0
        ;;
      *)
        usage
        fail "unknown argument $1"
        ;;
    esac
  done
  case $home in
    http://* | https://*) ;;
    *) fail 'this copy of install.sh does not know where to find releases; use the copy in a release, or set PURSER_HOME to the address of the repository' ;;
  esac
  have curl || have wget || fail 'neither curl nor wget is installed; install one of them'
  have sha256sum || have shasum || have openssl || fail 'this machine has no program for SHA-256; install sha256sum, shasum or openssl'
  if [ -z "$to" ]; then
    if [ "$(id -u)" = 0 ]; then to=/usr/local/bin; else to=${HOME:-}/.local/bin; fi
    [ "$to" != /.local/bin ] || fail 'HOME is not set; name a folder with --to'
  fi
  case $to in /*) ;; *) to=$PWD/$to ;; esac
  to=${to%/}
  case $cache in '' | /*) ;; *) cache=$PWD/$cache ;; esac
  platform
  tmp=$(mktemp -d) || fail 'cannot make a temporary folder; set TMPDIR to a folder that you may write to'
  trap 'rm -rf "$tmp" ${stage:+"$stage"} ${new:+"$new"}' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  if [ -z "$version" ]; then
    if ! get "$home/releases.atom" "$tmp/releases" "$few"; then
      case $(because) in *' 404'*) : >"$tmp/releases" ;; *) cannot "list the releases of $home" ;; esac
    fi
    version=$(releases | grep -v -- - | head -n 1)
    [ -n "$version" ] || fail "$home/releases.atom lists no release; name one with --version, or open the address in a browser to see who answers"
  fi
  version=v${version#v}
  case $version in
    *[!A-Za-z0-9.+_-]*) fail '--version must look like v1.2.3' ;;
    v[0-9]*.[0-9]*.[0-9]*) ;;
    *) fail '--version must look like v1.2.3' ;;
  esac

  from=$home/releases/download/$version
  archive=purser_${version#v}_${os}_${arch}.tar.gz
  get_checksums
  verify_signature
  read_checksum
  prepare_cache
  fetch_archive
  place
  say "$installed is installed in $to"
  case :$PATH: in
    *:"$to":*)
      first=$(command -v purser) || first=
      [ "$first" = "$to/purser" ] || say "$first comes first on your PATH; remove it, or move $to to the front"
      ;;
    *) say "$to is not on your PATH; add it: export PATH=\"$to:\$PATH\"" ;;
  esac
}

main "$@"
