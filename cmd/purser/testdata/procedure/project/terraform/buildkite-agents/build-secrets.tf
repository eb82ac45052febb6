resource "aws_secretsmanager_secret" "dockerhub" {
  name        = "mockserver-build/dockerhub"
  description = "Docker Hub login for snapshot pushes"
}

resource "aws_iam_policy" "read_dockerhub" {
  name = "buildkite-read-dockerhub-secret"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = aws_secretsmanager_secret.dockerhub.arn
    }]
  })
}
