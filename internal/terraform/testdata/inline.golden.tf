# dockerhub: Terraform creates the secret empty, and purser writes its value. That keeps the
# value out of Terraform's state.
resource "aws_secretsmanager_secret" "dockerhub" {
  name        = "mockserver-build/dockerhub"
  description = "Token for docker.io; its value is kept by purser"
  kms_key_id  = "arn:aws:kms:eu-west-2:123456789012:key/1"

  replica {
    region = "us-east-1"
  }

  # The registry that may receive the token. purser maintains this tag and the expiry tag.
  tags = {
    "purser:registry" = "docker.io dockerhub"
  }

  lifecycle {
    ignore_changes = [tags["purser:registry"], tags_all["purser:registry"], tags["purser:expires"], tags_all["purser:expires"]]
  }
}

resource "aws_iam_policy" "read_dockerhub" {
  name        = "buildkite-read-dockerhub-secret"
  description = "Reads mockserver-build/dockerhub"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = aws_secretsmanager_secret.dockerhub.arn
      },
      {
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = "arn:aws:kms:eu-west-2:123456789012:key/1"
        Condition = { StringLike = { "kms:ViaService" = "secretsmanager.*.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "read_dockerhub_1" {
  role       = "queue"
  policy_arn = aws_iam_policy.read_dockerhub.arn
}

# ecr-cache: Terraform creates the secret empty, and purser writes its value. That keeps the
# value out of Terraform's state.
# ECR's pull-through cache can only read secrets encrypted with AWS's own key.
resource "aws_secretsmanager_secret" "ecr_cache" {
  name        = "ecr-pullthroughcache/dockerhub"
  description = "Token for docker.io; its value is kept by purser"

  # The registry that may receive the token. purser maintains this tag and the expiry tag.
  tags = {
    "purser:registry" = "docker.io ecr-cache"
  }

  lifecycle {
    ignore_changes = [tags["purser:registry"], tags_all["purser:registry"], tags["purser:expires"], tags_all["purser:expires"]]
  }
}

resource "aws_iam_policy" "read_ecr_cache" {
  name        = "read-ecr-pullthroughcache-dockerhub"
  description = "Reads ecr-pullthroughcache/dockerhub"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        Resource = aws_secretsmanager_secret.ecr_cache.arn
      },
    ]
  })
}
