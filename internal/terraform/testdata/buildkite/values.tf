resource "aws_secretsmanager_secret_version" "ghcr" {
  secret_id     = aws_secretsmanager_secret.ghcr.id
  secret_string = var.ghcr_token
}

resource "aws_secretsmanager_secret_version" "dockerhub" {
  secret_id     = aws_secretsmanager_secret.dockerhub.id
  secret_string = "{}"

  lifecycle {
    ignore_changes = [secret_string]
  }
}
