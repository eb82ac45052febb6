# The agents of the default queue push snapshots with it.
resource "aws_secretsmanager_secret" "dockerhub" {
  name        = "${local.team}-build/dockerhub"
  description = "Docker Hub, for snapshot images"
}

data "aws_secretsmanager_secret" "release" {
  name = "${local.team}-release/dockerhub"
}

resource "aws_secretsmanager_secret" "ghcr" {
  name       = "mockserver-release/ghcr-token"
  kms_key_id = "alias/release"
  region     = "us-east-1"
}

resource "aws_secretsmanager_secret" "unknown" {
  name = aws_ssm_parameter.name.value
}
