output "secret_arn" {
  description = "ARN of the secret."
  value       = aws_secretsmanager_secret.this.arn
}

output "read_policy_arn" {
  description = "ARN of the policy that reads the secret."
  value       = aws_iam_policy.read.arn
}

output "read_policy_name" {
  description = "Name of that policy; Terraform knows it at plan time."
  value       = aws_iam_policy.read.name
}
