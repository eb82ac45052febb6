# Snapshot pushes of the default queue: pull requests run there, so its agents read
# this secret and not the one for releases.
module "dockerhub" {
  source = "../.."

  name             = "mockserver-build/dockerhub"
  read_policy_name = "buildkite-read-dockerhub-secret"
  reader_roles     = ["buildkite-default-queue"]
}

module "dockerhub_release" {
  source = "../.."

  name             = "mockserver-release/dockerhub"
  read_policy_name = "buildkite-read-dockerhub-release-secret"
  reader_roles     = ["buildkite-release-queue"]
  replica_regions  = ["us-east-1"]
}

# ECR reads it through its service-linked role; no role of yours is attached.
module "ecr_cache" {
  source = "../.."

  name = "ecr-pullthroughcache/dockerhub"
}
