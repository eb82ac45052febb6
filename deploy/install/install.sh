#!/bin/sh
# Installs purser and docker-credential-purser from a release, verified.
#
#   curl -fsSL HOME/releases/latest/download/install.sh | sh
#   curl -fsSL HOME/releases/latest/download/install.sh | sh -s -- --version v1.2.3 --to ~/bin
#
# Nothing is put in place before its checksum is right. Where cosign is on the PATH, the
# signature of the checksums is verified as well; PURSER_SIGNATURE=required insists on it.
# The body is a function, so that half a download runs nothing.
set -eu

# A release has the address of the project's home here; deploy/home is where it comes from.
home=${PURSER_HOME:-@HOME@}

say() { printf 'purser: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

usage() {
  cat >&2 <<'USAGE'
usage: install.sh [--version VERSION] [--to FOLDER]

  --version VERSION   such as v1.2.3; the latest release without it
  --to FOLDER         where the programs go; /usr/local/bin as root, else ~/.local/bin

  PURSER_SIGNATURE=required   fail where the signature cannot be verified, for want of cosign
  PURSER_COSIGN_KEY=FILE      the public key that signed, where it was not the release workflow
  HTTPS_PROXY                 is honoured
USAGE
}

# get URL FILE downloads; it never follows https to http.
get() {
  if have curl; then
    case $1 in
      https:*) curl -fsSL --proto '=https' --retry 2 -o "$2" "$1" ;;
      *) curl -fsSL --retry 2 -o "$2" "$1" ;;
    esac
  elif have wget; then
    wget -q -O "$2" "$1"
  else
    fail 'neither curl nor wget is installed; install one of them'
  fi
}

digest() {
  if have sha256sum; then
    sha256sum "$1" | cut -d ' ' -f 1
  elif have shasum; then
    shasum -a 256 "$1" | cut -d ' ' -f 1
  elif have openssl; then
    openssl dgst -sha256 -r "$1" | cut -d ' ' -f 1
  else
    fail 'nothing here computes SHA-256: install sha256sum, shasum or openssl'
  fi
}

# releases lists the versions that there are, the newest first.
releases() {
  get "$home/releases.atom" "$tmp/releases" 2>/dev/null || return 1
  sed -n 's|.*/releases/tag/\([A-Za-z0-9.+_-]*\)".*|\1|p' "$tmp/releases" | awk '!seen[$0]++'
}

platform() {
  case $(uname -s) in
    Linux) os=linux ;;
    Darwin) os=darwin ;;
    *) fail "there is no archive for $(uname -s); $home/releases has those for Windows, and the source builds with Go" ;;
  esac
  case $(uname -m) in
    x86_64 | amd64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) fail "there is no archive for $(uname -m), only for amd64 and arm64; the source builds with Go" ;;
  esac
}

# verify_signature checks that the release workflow of this home signed the checksums.
verify_signature() {
  if ! have cosign; then
    [ "${PURSER_SIGNATURE:-}" != required ] || fail 'cosign is not installed, so the signature cannot be verified; install cosign, or unset PURSER_SIGNATURE'
    say 'cosign is not installed: the checksum is verified, the signature is not'
    return
  fi
  get "$from/checksums.txt.sigstore.json" "$tmp/signature" || fail "$from/checksums.txt.sigstore.json could not be downloaded; the release may be incomplete"
  if [ -n "${PURSER_COSIGN_KEY:-}" ]; then
    set -- --key "$PURSER_COSIGN_KEY" --insecure-ignore-tlog=true
  else
    set -- --certificate-identity-regexp "^$(printf '%s' "$home" | sed 's/[.]/\\./g')/\.github/workflows/release\.yml@refs/tags/v" \
      --certificate-oidc-issuer https://token.actions.githubusercontent.com
  fi
  cosign verify-blob --bundle "$tmp/signature" "$@" "$tmp/checksums" >"$tmp/cosign" 2>&1 || {
    cat "$tmp/cosign" >&2
    fail 'the checksums are not signed by this project: nothing was installed'
  }
  say 'the signature is verified'
}

main() {
  version=${PURSER_VERSION:-} to=
  while [ $# -gt 0 ]; do
    case $1 in
      --version | --to)
        [ $# -gt 1 ] || fail "$1 needs a value"
        if [ "$1" = --to ]; then to=$2; else version=$2; fi
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
    *) fail 'this copy of install.sh does not know where releases are; take the one of a release, or set PURSER_HOME to the address of the repository' ;;
  esac
  if [ -z "$to" ]; then
    if [ "$(id -u)" = 0 ]; then to=/usr/local/bin; else to=$HOME/.local/bin; fi
  fi
  platform
  tmp=$(mktemp -d)
  trap 'rm -rf "$tmp"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM

  if [ -z "$version" ]; then
    version=$(releases | grep -v -- - | head -n 1) || version=
    [ -n "$version" ] || fail "$home/releases.atom names no release; is the network there, and HTTPS_PROXY set if you need a proxy?"
  fi
  case $version in v*) ;; *) version=v$version ;; esac
  case $version in *[!A-Za-z0-9.+_-]*) fail '--version must look like v1.2.3' ;; esac

  from=$home/releases/download/$version
  archive=purser_${version#v}_${os}_${arch}.tar.gz
  if ! get "$from/checksums.txt" "$tmp/checksums" 2>"$tmp/why"; then
    there=$(releases | tr '\n' ' ') || there=
    [ -n "$there" ] || {
      cat "$tmp/why" >&2
      fail "$home cannot be reached; is the network there, and HTTPS_PROXY set if you need a proxy?"
    }
    case " $there" in
      *" $version "*)
        cat "$tmp/why" >&2
        fail "release $version has no checksums; it may still be uploading: try again in a few minutes"
        ;;
      *) fail "there is no release $version; there are: $there" ;;
    esac
  fi
  verify_signature
  want=$(awk -v name="$archive" '$2 == name { print $1 }' "$tmp/checksums")
  [ -n "$want" ] || fail "release $version has no $archive"
  get "$from/$archive" "$tmp/archive" || fail "$from/$archive could not be downloaded; the release may still be uploading: try again in a few minutes"
  if [ "$(digest "$tmp/archive")" != "$want" ]; then
    fail "$archive is not what the release's checksums say: nothing was installed. A proxy may have changed it; if not, tell the project"
  fi

  mkdir "$tmp/unpacked"
  tar -xzf "$tmp/archive" -C "$tmp/unpacked" purser docker-credential-purser
  mkdir -p "$to" 2>/dev/null || fail "$to cannot be made; choose another folder with --to"
  # Each program is moved over the one before, so that one that runs is not cut off.
  for program in purser docker-credential-purser; do
    cp "$tmp/unpacked/$program" "$to/.$program.new" 2>/dev/null || fail "$to cannot be written to; choose another folder with --to, or use sudo"
    chmod 755 "$to/.$program.new"
    mv -f "$to/.$program.new" "$to/$program"
  done
  "$to/purser" version >/dev/null 2>&1 || fail "$to/purser does not start; is the folder mounted with noexec?"
  say "$("$to/purser" version) is in $to"
  case :$PATH: in
    *:"$to":*) ;;
    *) say "$to is not on your PATH; add it: export PATH=\"$to:\$PATH\"" ;;
  esac
}

main "$@"
