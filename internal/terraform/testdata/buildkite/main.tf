provider "aws" {
  profile = "mockserver-build"
  region  = local.region
}

variable "region" {
  default = "eu-west-2"
}

locals {
  region = var.region
  team   = "mockserver"
}
