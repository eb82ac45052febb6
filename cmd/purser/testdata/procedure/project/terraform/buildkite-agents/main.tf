provider "aws" {
  region  = "eu-west-2"
  profile = "mockserver-build"
}
