# dockerhub: Terraform creates the secret empty, and purser writes its value. That keeps the
# value out of Terraform's state.
module "purser_dockerhub" {
  source = "./modules/purser"

  name             = "mockserver-build/dockerhub"
  description      = "Token for docker.io; its value is kept by purser"
  belongs_to       = "docker.io dockerhub"
  kms_key_arn      = "arn:aws:kms:eu-west-2:123456789012:key/1"
  read_policy_name = "buildkite-read-dockerhub-secret"
  reader_roles     = ["queue"]
  replica_regions  = ["us-east-1"]
}

# ecr-cache: Terraform creates the secret empty, and purser writes its value. That keeps the
# value out of Terraform's state.
# ECR's pull-through cache can only read secrets encrypted with AWS's own key.
module "purser_ecr_cache" {
  source = "./modules/purser"

  name             = "ecr-pullthroughcache/dockerhub"
  description      = "Token for docker.io; its value is kept by purser"
  belongs_to       = "docker.io ecr-cache"
  read_policy_name = "read-ecr-pullthroughcache-dockerhub"
}
