#!/usr/bin/env bash
# Publishes an image: to Docker Hub, and to ghcr.io where that is set up. At the end it
# updates what people read about the repository, which the token may be too weak for.
set -euo pipefail
set +x
here=$(dirname "$0")
version=$1

load_secret() {
  aws secretsmanager get-secret-value --secret-id "$1" --query SecretString --output text | jq -r ".$2"
}

BUILDKITE_AGENT_META_DATA_QUEUE=release "$here/docker-login.sh"
skopeo copy --quiet "oci:$IMAGE" "docker://docker.io/mockserver/mockserver:$version"
docker buildx imagetools create --tag mockserver/mockserver:latest "mockserver/mockserver:$version"

if aws secretsmanager describe-secret --secret-id mockserver-release/ghcr-token >/dev/null 2>&1; then
  load_secret mockserver-release/ghcr-token token |
    docker login ghcr.io --username "$(load_secret mockserver-release/ghcr-token username)" --password-stdin
  skopeo copy --quiet "docker://docker.io/mockserver/mockserver:$version" "docker://ghcr.io/mock-server/mockserver:$version"
else
  echo 'ghcr.io is not set up: the image is not mirrored'
fi

bearer=$(jq -n --arg user "$(load_secret mockserver-release/dockerhub username)" \
  --arg token "$(load_secret mockserver-release/dockerhub token)" '{identifier: $user, secret: $token}' |
  curl -sS --fail -H 'Content-Type: application/json' --data @- https://hub.docker.com/v2/auth/token | jq -r .access_token)
status=$(curl -sS -o answer.json -w '%{http_code}' -X PATCH -H "Authorization: Bearer $bearer" -H 'Content-Type: application/json' \
  --data '{"full_description": "A server for tests."}' https://hub.docker.com/v2/repositories/mockserver/mockserver/)
[[ $status == 200 ]] || echo "warning: the overview was not updated: $status $(jq -r .message answer.json)"
