#!/usr/bin/env bash
# Installs the missing third-party programs that the tests need: Debian packages with apt-get, if
# it has root or a sudo without password; Go programs at pinned versions; moto in its own Python
# environment; what builds the site, from npm. It names what it cannot install and which tests
# will skip, and does not fail. NO_INSTALL=1 only looks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'test tools: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null || [[ -x /usr/sbin/$1 || $1 == /* && -r $1 ]]; }
may_install() { [[ -z ${NO_INSTALL:-} ]]; }

# program or file, Debian package, what is not tested without it
packages='
make                    make                               everything that make runs
shellcheck              shellcheck                         the scripts themselves
gcc                     gcc                                data races (the tests run without the race detector)
docker-registry         docker-registry                    proofs and pushes against registry 2 and a registry with passwords
nginx                   nginx-light                        proofs and pushes against registries with tokens
skopeo                  skopeo                             pushes by skopeo
docker-credential-pass  golang-docker-credential-helpers   reading tokens from a real credential helper
pass                    pass                               reading tokens from a real credential helper
gpg                     gnupg                              reading tokens from a real credential helper
gnome-keyring-daemon    gnome-keyring                      the age identity in a real Secret Service
dbus-run-session        dbus-daemon                        the age identity in a real Secret Service
chromium                chromium                           the token form and the site in a real browser
npm                     npm                                the site of the pages
tmux                    tmux                               the prompt, tables and progress in a real terminal emulator
strace                  strace                             the search for secrets in system calls
buildah                 buildah                            pulls and pushes by buildah
podman                  podman                             pulls and pushes by podman
/usr/share/bash-completion/bash_completion  bash-completion  completion in bash
zsh                     zsh                                completion in zsh
fish                    fish                               completion in fish
mandoc                  mandoc                             the manual pages in mandoc
man                     man-db                             the manual pages in man
bsdtar                  libarchive-tools                   what the packages of a release hold
rpm                     rpm                                the installation of the RPM
debootstrap             debootstrap                        the installation of the Debian package
systemd-analyze         systemd                            the systemd units
hyperfine               hyperfine                          the comparison of speed with other tools
time                    time                               the memory in the comparison with other tools
'

# program, Go package, module, version, what stays untested without it
go_programs='
registry      github.com/distribution/distribution/v3/cmd/registry  github.com/distribution/distribution/v3  v3.1.2                proofs and pushes against registry 3
token-server  github.com/docker/distribution/contrib/token-server   github.com/docker/distribution           v2.8.3+incompatible   proofs and pushes against registries with tokens
actionlint    github.com/rhysd/actionlint/cmd/actionlint            github.com/rhysd/actionlint                  v1.7.12               the workflows
crane         github.com/google/go-containerregistry/cmd/crane      github.com/google/go-containerregistry   v0.22.1               pushes by crane
regctl        github.com/regclient/regclient/cmd/regctl             github.com/regclient/regclient           v0.11.7               pulls and pushes by regctl
oras          oras.land/oras/cmd/oras                               oras.land/oras                           v1.3.6                pulls and pushes by oras
helm          helm.sh/helm/v3/cmd/helm                              helm.sh/helm/v3                          v3.22.0               pulls and pushes by helm
buildx        github.com/docker/buildx/cmd/buildx                   github.com/docker/buildx                 v0.38.2               image lists by buildx
agent         github.com/buildkite/agent/v3                         github.com/buildkite/agent/v3            v3.78.0               the Buildkite plugin in a real job
docker-credential-ecr-login  github.com/awslabs/amazon-ecr-credential-helper/ecr-login/cli/docker-credential-ecr-login  github.com/awslabs/amazon-ecr-credential-helper/ecr-login  v0.12.0  one line of the speed comparison
'

moto_version=5.2.1

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo -n "$@"; fi
}

# quietly shows a command's output only if the command fails.
quietly() {
  local log
  log=$(mktemp)
  if "$@" >"$log" 2>&1; then
    rm -f "$log"
    return 0
  fi
  tail -n 20 "$log" >&2
  rm -f "$log"
  return 1
}

# no_daemons stops Debian from starting the servers it installs: the tests start their own.
no_daemons() {
  local policy=/usr/sbin/policy-rc.d
  if [[ ! -e $policy ]]; then
    say "$policy stops Debian from starting servers during the installation, and is removed afterwards"
    as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
  fi
}

install_packages() {
  local wanted=() there=() program package rest
  while read -r program package rest; do
    if [[ -n $program ]] && ! have "$program"; then wanted+=("$package"); fi
  done <<<"$packages"
  if [[ ${#wanted[@]} == 0 ]] || ! may_install; then return; fi
  if ! command -v apt-get >/dev/null || ! as_root true 2>/dev/null; then
    say "apt-get is missing or needs root; not installed: ${wanted[*]}"
    return
  fi
  say "installing with apt-get: ${wanted[*]}"
  quietly as_root apt-get -q update || say "apt-get update failed; using the existing package lists"
  for package in "${wanted[@]}"; do
    if apt-cache show "$package" >/dev/null 2>&1; then there+=("$package"); fi
  done
  if [[ ${#there[@]} == 0 ]]; then return; fi
  # The compiler needs the C library's headers.
  if [[ " ${there[*]} " == *" gcc "* ]]; then there+=(libc6-dev); fi
  no_daemons
  quietly as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q install -y --no-install-recommends "${there[@]}" || say "apt-get install failed"
}

go_bin() {
  local bin
  bin=$(go env GOBIN)
  if [[ -z $bin ]]; then
    bin=$(go env GOPATH)
    bin=${bin%%:*}/bin
  fi
  printf '%s\n' "$bin"
}

# go_program_there succeeds if this exact version is installed.
go_program_there() {
  local program=$1 module=$2 version=$3 built
  built=$(go version -m "$bin/$program" 2>/dev/null) || return 1
  grep -qF "$(printf '\tmod\t%s\t%s' "$module" "$version")" <<<"$built"
}

install_go_programs() {
  local program package module version rest
  while read -r program package module version rest; do
    if [[ -z $program ]] || ! may_install || go_program_there "$program" "$module" "$version"; then continue; fi
    say "building $program $version"
    quietly go install "$package@$version" </dev/null || say "$program could not be built"
  done <<<"$go_programs"
}

# install_moto links the server into the folder of Go programs, where the tests look.
install_moto() {
  local home=${XDG_CACHE_HOME:-$HOME/.cache}/purser-test-tools/moto-$moto_version
  if have moto_server || [[ -x $bin/moto_server ]] || ! may_install; then return; fi
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then return; fi
  say "installing moto $moto_version"
  if quietly python3 -m venv "$home" && quietly "$home/bin/pip" install -q --retries 1 "moto[server]==$moto_version"; then
    mkdir -p "$bin"
    ln -sf "$home/bin/moto_server" "$bin/moto_server"
  else
    say "moto could not be installed"
  fi
}

# install_site installs the versions of site/package-lock.json, unless they are there.
install_site() {
  if ! may_install || ! have npm || [[ ! site/package-lock.json -nt site/node_modules/.package-lock.json ]]; then return; fi
  say "installing what builds the site"
  quietly npm --prefix site ci || say "it could not be installed"
}

report() {
  local program rest
  while read -r program _ rest; do
    if [[ -n $program ]] && ! have "$program"; then say "$program is missing; not tested: $rest"; fi
  done <<<"$packages"
  while read -r program _ _ _ rest; do
    if [[ -n $program && ! -x $bin/$program ]] && ! have "$program"; then say "$program is missing; not tested: $rest"; fi
  done <<<"$go_programs"
  if [[ ! -x $bin/moto_server ]] && ! have moto_server; then
    say "moto_server is missing; not tested: the store against moto (the stand-in is tested)"
  fi
  if [[ ! -d site/node_modules/@11ty ]]; then say "what builds the site is missing; not tested: the site"; fi
  if ! have docker; then say "docker is missing; not tested: pushes by docker"; fi
}

if ! command -v go >/dev/null; then
  say "go is missing: get the version named in go.mod from https://go.dev/dl/"
  exit 1
fi
bin=$(go_bin)
install_packages
install_go_programs
install_moto
install_site
report
