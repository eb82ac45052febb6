mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  name = "mockserver-build/dockerhub"
}

run "an_empty_secret_and_a_policy" {
  command = plan

  assert {
    condition     = aws_secretsmanager_secret.this.name == "mockserver-build/dockerhub" && aws_secretsmanager_secret.this.kms_key_id == null
    error_message = "the secret has the wrong name or key"
  }
  assert {
    condition     = aws_iam_policy.read.name == "read-mockserver-build-dockerhub"
    error_message = "the policy's name does not come from the secret's"
  }
  assert {
    condition     = data.aws_iam_policy_document.read.statement[0].actions == tolist(["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"])
    error_message = "the policy allows more than reading"
  }
  assert {
    condition     = length(data.aws_iam_policy_document.read.statement) == 1 && length(aws_secretsmanager_secret_policy.only) == 0 && length(aws_lambda_function.rotation) == 0
    error_message = "the module makes optional parts by default"
  }
}

run "readers_key_and_replicas" {
  command = plan

  variables {
    kms_key_arn      = "arn:aws:kms:eu-west-2:123456789012:key/11111111-2222-3333-4444-555555555555"
    read_policy_name = "buildkite-read-dockerhub-secret"
    reader_roles     = ["queue-a", "queue-b"]
    replica_regions  = ["us-east-1"]
  }

  assert {
    condition     = length(aws_iam_role_policy_attachment.read) == 2 && aws_iam_policy.read.name == "buildkite-read-dockerhub-secret"
    error_message = "the roles do not get the policy"
  }
  assert {
    condition     = data.aws_iam_policy_document.read.statement[1].actions == tolist(["kms:Decrypt"]) && data.aws_iam_policy_document.read.statement[1].condition[0].variable == "kms:ViaService"
    error_message = "the key can be used outside Secrets Manager"
  }
  assert {
    condition     = one(aws_secretsmanager_secret.this.replica).region == "us-east-1"
    error_message = "there is no replica"
  }
}

run "everyone_else_is_denied" {
  command = apply

  variables {
    only_principals = ["arn:aws:iam::123456789012:role/admin"]
  }

  assert {
    condition     = data.aws_iam_policy_document.only[0].statement[0].effect == "Deny" && data.aws_iam_policy_document.only[0].statement[0].condition[0].test == "ArnNotLike"
    error_message = "other principals are not denied"
  }
  assert {
    condition     = aws_secretsmanager_secret_policy.only[0].block_public_policy
    error_message = "AWS would accept a public policy"
  }
}

run "rotation_with_alarms" {
  command = apply

  variables {
    rotation        = { zip = "tests/empty.zip", every_days = 30, environment = { PURSER_CREDENTIAL = "dockerhub" } }
    alarm_topic_arn = "arn:aws:sns:eu-west-2:123456789012:alarms"
  }

  assert {
    condition     = aws_secretsmanager_secret_rotation.this[0].rotation_rules[0].automatically_after_days == 30 && !aws_secretsmanager_secret_rotation.this[0].rotate_immediately
    error_message = "the schedule is wrong"
  }
  assert {
    condition     = aws_lambda_permission.rotation[0].principal == "secretsmanager.amazonaws.com" && aws_lambda_permission.rotation[0].source_account == "123456789012"
    error_message = "others may invoke the function"
  }
  assert {
    condition     = aws_lambda_function.rotation[0].runtime == "provided.al2023" && aws_lambda_function.rotation[0].handler == "bootstrap"
    error_message = "the function cannot start"
  }
  assert {
    condition     = strcontains(aws_cloudwatch_event_rule.failed[0].event_pattern, "RotationAbandoned") && length(aws_cloudwatch_event_rule.daily) == 1
    error_message = "no alarm for a failed or overdue rotation"
  }
}

run "ecr_refuses_a_customer_key" {
  command = plan

  variables {
    name        = "ecr-pullthroughcache/dockerhub"
    kms_key_arn = "arn:aws:kms:eu-west-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.kms_key_arn]
}

run "a_name_that_ends_like_an_arn" {
  command = plan

  variables {
    name = "team/docker-abc123"
  }

  assert {
    condition     = aws_secretsmanager_secret.this.name == "team/docker-abc123"
    error_message = "an ordinary name is refused"
  }
}

run "a_name_with_a_space" {
  command = plan

  variables {
    name = "team docker"
  }

  expect_failures = [var.name]
}

run "the_function_gets_its_settings" {
  command = plan

  variables {
    rotation = {
      zip                   = "tests/empty.zip"
      config                = "credentials: {}"
      management_secret_arn = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:management-AbCdEf"
      architecture          = "amd64"
      receipts_key_arn      = "arn:aws:kms:eu-west-2:123456789012:key/00000000-0000-4000-8000-00000000feed"
      other_secret_arns     = ["arn:aws:secretsmanager:eu-west-1:123456789012:secret:copy-AbCdEf"]
    }
  }

  assert {
    condition     = aws_lambda_function.rotation[0].environment[0].variables == tomap({ PURSER_CONFIG_TEXT = "credentials: {}", PURSER_MANAGEMENT_SECRET_ID = "arn:aws:secretsmanager:eu-west-2:123456789012:secret:management-AbCdEf" })
    error_message = "the function's environment is wrong"
  }

  assert {
    condition     = aws_lambda_function.rotation[0].architectures[0] == "x86_64" && length(aws_cloudwatch_event_rule.daily) == 1 && length(aws_cloudwatch_metric_alarm.errors) == 0
    error_message = "the architecture, the daily run or the alarm is wrong"
  }

  assert {
    condition     = length([for s in data.aws_iam_policy_document.rotation[0].statement : s if s.sid == "ReadManagementSecret"]) == 1
    error_message = "the function may not read the management secret"
  }

  assert {
    condition     = length([for s in data.aws_iam_policy_document.rotation[0].statement : s if s.sid == "SignReceipts"]) == 1 && contains([for s in data.aws_iam_policy_document.rotation[0].statement : length(s.resources) if s.sid == "RotateSecret"], 2)
    error_message = "the function may not sign receipts or write the other secret"
  }
}

run "an_unknown_architecture" {
  command = plan

  variables {
    rotation = { zip = "tests/empty.zip", architecture = "riscv" }
  }

  expect_failures = [var.rotation]
}

run "too_long_an_interval" {
  command = plan

  variables {
    rotation = { zip = "tests/empty.zip", every_days = 2000 }
  }

  expect_failures = [var.rotation]
}
