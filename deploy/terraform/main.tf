data "aws_partition" "here" {}

data "aws_caller_identity" "here" {}

# Terraform makes the secret empty and purser writes the value, which keeps the value
# out of Terraform's state.
resource "aws_secretsmanager_secret" "this" {
  name                    = var.name
  description             = var.description
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_in_days
  tags                    = merge(var.tags, var.belongs_to == null ? {} : { "purser:registry" = var.belongs_to })

  dynamic "replica" {
    for_each = var.replica_regions

    content {
      region = replica.value
    }
  }

  # purser writes these tags: where the token may be sent, and when it expires.
  lifecycle {
    ignore_changes = [
      tags["purser:registry"], tags_all["purser:registry"],
      tags["purser:expires"], tags_all["purser:expires"],
    ]
  }
}

data "aws_iam_policy_document" "read" {
  statement {
    sid       = "ReadSecret"
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    resources = [aws_secretsmanager_secret.this.arn]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "DecryptThroughSecretsManager"
      actions   = ["kms:Decrypt"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["secretsmanager.*.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_policy" "read" {
  name        = coalesce(var.read_policy_name, "read-${replace(var.name, "/[^A-Za-z0-9+=,.@_-]/", "-")}")
  description = "Reads ${var.name}"
  policy      = data.aws_iam_policy_document.read.json
  tags        = var.tags
}

resource "aws_iam_role_policy_attachment" "read" {
  for_each = var.reader_roles

  role       = each.value
  policy_arn = aws_iam_policy.read.arn
}

data "aws_iam_policy_document" "only" {
  count = length(var.only_principals) == 0 ? 0 : 1

  statement {
    sid       = "DenyEveryoneElse"
    effect    = "Deny"
    actions   = ["secretsmanager:*"]
    resources = ["*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "ArnNotLike"
      variable = "aws:PrincipalArn"
      values   = concat(tolist(var.only_principals), aws_iam_role.rotation[*].arn)
    }
  }
}

resource "aws_secretsmanager_secret_policy" "only" {
  count = length(var.only_principals) == 0 ? 0 : 1

  secret_arn          = aws_secretsmanager_secret.this.arn
  policy              = data.aws_iam_policy_document.only[0].json
  block_public_policy = true
}
