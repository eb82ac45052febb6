# The default queue pushes snapshots. It also runs pull requests, so its agents may not
# read the secret for releases.
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

# ECR reads it through its service-linked role, so the policy needs no role of yours.
module "ecr_cache" {
  source = "../.."

  name = "ecr-pullthroughcache/dockerhub"
}
