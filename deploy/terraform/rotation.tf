locals {
  rotates = var.rotation != null

  # The function's environment, before var.rotation.environment overrides it.
  settings = local.rotates ? {
    for name, value in {
      PURSER_CONFIG_TEXT          = var.rotation.config
      PURSER_MANAGEMENT_SECRET_ID = var.rotation.management_secret_arn
      PURSER_EVENT_BUS            = var.rotation.event_bus_arn
    } : name => value if value != null
  } : {}

  bus      = "arn:${data.aws_partition.here.partition}:events:*:${data.aws_caller_identity.here.account_id}:event-bus/default"
  function = "purser-${substr(sha1(var.name), 0, 8)}"
}

data "aws_iam_policy_document" "rotation_trust" {
  count = local.rotates ? 1 : 0

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "rotation" {
  count = local.rotates ? 1 : 0

  name               = local.function
  description        = "Rotates ${var.name}"
  assume_role_policy = data.aws_iam_policy_document.rotation_trust[0].json
  tags               = var.tags
}

data "aws_iam_policy_document" "rotation" {
  count = local.rotates ? 1 : 0

  statement {
    sid = "RotateSecret"
    actions = [
      "secretsmanager:DescribeSecret",
      "secretsmanager:GetSecretValue",
      "secretsmanager:PutSecretValue",
      "secretsmanager:UpdateSecretVersionStage",
    ]
    resources = concat([aws_secretsmanager_secret.this.arn], var.rotation.other_secret_arns)
  }

  statement {
    sid       = "MarkSecret"
    actions   = ["secretsmanager:TagResource"]
    resources = concat([aws_secretsmanager_secret.this.arn], var.rotation.other_secret_arns)

    condition {
      test     = "ForAllValues:StringEquals"
      variable = "aws:TagKeys"
      values   = ["purser:registry", "purser:expires"]
    }
  }

  dynamic "statement" {
    for_each = var.rotation.receipts_key_arn == null ? [] : [var.rotation.receipts_key_arn]

    content {
      sid       = "SignReceipts"
      actions   = ["kms:GetPublicKey", "kms:Sign"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.rotation.management_secret_arn == null ? [] : [var.rotation.management_secret_arn]

    content {
      sid       = "ReadManagementSecret"
      actions   = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
      resources = [statement.value]
    }
  }

  statement {
    sid       = "SendEvents"
    actions   = ["events:PutEvents"]
    resources = [coalesce(var.rotation.event_bus_arn, local.bus)]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.rotation[0].arn}:*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseKeyThroughSecretsManager"
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [statement.value]

      condition {
        test     = "StringLike"
        variable = "kms:ViaService"
        values   = ["secretsmanager.*.amazonaws.com"]
      }
    }
  }
}

resource "aws_iam_role_policy" "rotation" {
  count = local.rotates ? 1 : 0

  name   = "rotate"
  role   = aws_iam_role.rotation[0].name
  policy = data.aws_iam_policy_document.rotation[0].json
}

resource "aws_cloudwatch_log_group" "rotation" {
  count = local.rotates ? 1 : 0

  name              = "/aws/lambda/${local.function}"
  retention_in_days = 90
  tags              = var.tags
}

resource "aws_lambda_function" "rotation" {
  count = local.rotates ? 1 : 0

  function_name    = local.function
  description      = "Rotates ${var.name}"
  role             = aws_iam_role.rotation[0].arn
  runtime          = "provided.al2023"
  architectures    = [var.rotation.architecture == "amd64" ? "x86_64" : var.rotation.architecture]
  handler          = "bootstrap"
  filename         = var.rotation.zip
  source_code_hash = filebase64sha256(var.rotation.zip)
  timeout          = var.rotation.timeout
  memory_size      = var.rotation.memory_mb
  tags             = var.tags

  environment {
    variables = merge(local.settings, var.rotation.environment)
  }

  depends_on = [aws_iam_role_policy.rotation]
}

resource "aws_lambda_permission" "rotation" {
  count = local.rotates ? 1 : 0

  statement_id   = "SecretsManagerRotates"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.rotation[0].function_name
  principal      = "secretsmanager.amazonaws.com"
  source_account = data.aws_caller_identity.here.account_id
}

resource "aws_secretsmanager_secret_rotation" "this" {
  count = local.rotates ? 1 : 0

  secret_id           = aws_secretsmanager_secret.this.id
  rotation_lambda_arn = aws_lambda_function.rotation[0].arn
  rotate_immediately  = false

  rotation_rules {
    automatically_after_days = var.rotation.every_days
  }

  depends_on = [aws_lambda_permission.rotation]
}

# CloudTrail reports every failed or abandoned rotation to EventBridge. The rule matches
# those of all secrets: if it matched on the secret and AWS changed the event's form, the
# alarm would go silent.
resource "aws_cloudwatch_event_rule" "failed" {
  count = local.rotates && var.alarm_topic_arn != null ? 1 : 0

  name        = "${local.function}-failed"
  description = "A rotation failed or was abandoned"
  tags        = var.tags

  event_pattern = jsonencode({
    source        = ["aws.secretsmanager"]
    "detail-type" = ["AWS Service Event via CloudTrail"]
    detail        = { eventName = ["RotationFailed", "RotationAbandoned"] }
  })
}

resource "aws_cloudwatch_event_target" "failed" {
  count = local.rotates && var.alarm_topic_arn != null ? 1 : 0

  rule = aws_cloudwatch_event_rule.failed[0].name
  arn  = var.alarm_topic_arn
}

# A rotation that never begins sends no event. So the Lambda also runs once a day: it ends
# with an error if the rotation is overdue, which raises this alarm. The same run finishes
# an interrupted rotation and retires the previous token.
resource "aws_cloudwatch_metric_alarm" "errors" {
  count = local.rotates && var.alarm_topic_arn != null ? 1 : 0

  alarm_name          = "${local.function}-errors"
  alarm_description   = "The rotation of ${var.name} fails"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.rotation[0].function_name }
  statistic           = "Sum"
  period              = 3600
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  tags                = var.tags
}

resource "aws_cloudwatch_event_rule" "daily" {
  count = local.rotates ? 1 : 0

  name                = "${local.function}-daily"
  description         = "Runs the Lambda for ${var.name} once a day"
  schedule_expression = "rate(1 day)"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "daily" {
  count = local.rotates ? 1 : 0

  rule = aws_cloudwatch_event_rule.daily[0].name
  arn  = aws_lambda_function.rotation[0].arn

  input = jsonencode({
    purser   = "daily"
    SecretId = aws_secretsmanager_secret.this.arn
  })
}

resource "aws_lambda_permission" "daily" {
  count = local.rotates ? 1 : 0

  statement_id  = "EventBridgeLooksOnceADay"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.rotation[0].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.daily[0].arn
}
