#!/usr/bin/env bash
# Signs docker in to Docker Hub with the secret of the queue that the job runs on.
set -euo pipefail
set +x

secret_id=${DOCKERHUB_SECRET_ID:-}
if [[ -z $secret_id ]]; then
  secret_id=mockserver-build/dockerhub
  [[ ${BUILDKITE_AGENT_META_DATA_QUEUE:-default} != release ]] || secret_id=mockserver-release/dockerhub
fi

secret=$(aws secretsmanager get-secret-value --secret-id "$secret_id" --query SecretString --output text)
jq -r .token <<<"$secret" |
  docker login --username "$(jq -r .username <<<"$secret")" --password-stdin
