#!/usr/bin/env bash
# Packages the chart and publishes it on ghcr.io.
set -euo pipefail
set +x
secret=$(aws secretsmanager get-secret-value --profile mockserver-build --secret-id mockserver-release/ghcr-token --query SecretString --output text)
jq -r .token <<<"$secret" |
  helm registry login ghcr.io --username "$(jq -r .username <<<"$secret")" --password-stdin
helm package --version "$1" "$CHART"
helm push "mockserver-$1.tgz" oci://ghcr.io/mock-server/charts
helm show chart --version "$1" oci://ghcr.io/mock-server/charts/mockserver
