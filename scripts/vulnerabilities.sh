#!/usr/bin/env bash
# Looks in Go's vulnerability database for what purser's own calls reach. A finding fails.
# Where the database cannot be reached nothing is known, which is said and is no failure:
# a machine without internet can build too. GOVULNDB is the address of a copy of the
# database, such as file:///srv/vulndb, which then has to answer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

code=0
said=$(go tool -modfile=tools/go.mod govulncheck -db "${GOVULNDB:-https://vuln.go.dev}" "${@:-./...}" 2>&1) || code=$?
if [[ $code == 0 ]]; then exit; fi
if [[ -z ${GOVULNDB:-} && $said == *'fetching vulnerabilities'* ]]; then
  echo 'vulnerabilities: the vulnerability database is not to be had here: skipped' >&2
  exit
fi
printf '%s\n' "$said" >&2
exit "$code"
