resource "aws_iam_policy" "read_dockerhub" {
  name = "buildkite-read-dockerhub-secret"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = aws_secretsmanager_secret.dockerhub.arn
    }]
  })
}

resource "aws_iam_policy" "read_release" {
  name   = "buildkite-read-dockerhub-release-secret"
  policy = data.aws_iam_policy_document.read_release.json
}

data "aws_iam_policy_document" "read_release" {
  statement {
    actions   = ["secretsmanager:Get*"]
    resources = [data.aws_secretsmanager_secret.release.arn]
  }
  statement {
    effect    = "Deny"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = [aws_secretsmanager_secret.ghcr.arn]
  }
}

resource "aws_iam_policy" "read_everything" {
  name = "buildkite-read-everything"

  policy = jsonencode({
    Statement = {
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = "arn:aws:secretsmanager:*:*:secret:mockserver-*"
    }
  })
}

resource "aws_iam_policy" "describe" {
  name = "describe-only"

  policy = jsonencode({
    Statement = [{ Effect = "Allow", Action = "secretsmanager:DescribeSecret", Resource = "*" }]
  })
}

resource "aws_iam_role" "release" {
  name               = "buildkite-release"
  assume_role_policy = "{}"
}

resource "aws_iam_role_policy" "release" {
  name = "read"
  role = aws_iam_role.release.id

  policy = jsonencode({
    Statement = [{
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:mockserver-release/dockerhub-??????"
    }]
  })
}

resource "aws_iam_policy" "unknown" {
  name   = "unknown"
  policy = file("policy.json")
}
