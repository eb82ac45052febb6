variable "name" {
  description = "Name of the secret, as under store in purser.yaml."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9/_+=.@-]{1,512}$", var.name))
    error_message = "A secret's name contains only letters, digits and /_+=.@-."
  }
}

variable "description" {
  description = "What the secret is for."
  type        = string
  default     = "Registry token; its value is kept by purser"
}

variable "kms_key_arn" {
  description = "ARN of a KMS key of your own. Without it the secret uses aws/secretsmanager, which ECR's pull-through cache requires."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }

  validation {
    condition     = var.kms_key_arn == null || !startswith(var.name, "ecr-pullthroughcache/")
    error_message = "ECR's pull-through cache reads only secrets encrypted with AWS's own key."
  }
}

variable "read_policy_name" {
  description = "Name of the policy that reads the secret. The default comes from the secret's name."
  type        = string
  default     = null
}

variable "reader_roles" {
  description = "Names of the IAM roles to attach the policy to."
  type        = set(string)
  default     = []
}

variable "only_principals" {
  description = "ARNs of the only principals that may use the secret. All others are denied, even administrators: include the principals that run Terraform and purser, or you lock yourself out. An empty set adds no such rule."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for p in var.only_principals : startswith(p, "arn:")])
    error_message = "Each principal must be an ARN."
  }
}

variable "replica_regions" {
  description = "Regions to replicate the secret to."
  type        = set(string)
  default     = []
}

variable "recovery_window_in_days" {
  description = "How many days a deleted secret can be restored."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_window_in_days >= 7 && var.recovery_window_in_days <= 30
    error_message = "AWS accepts 7 to 30 days."
  }
}

variable "belongs_to" {
  description = "The registry and the credential in purser.yaml that the secret belongs to, such as \"docker.io dockerhub\". purser sends the token to no other registry. Without it, purser asks a person when it stores the first token."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags for every resource of the module."
  type        = map(string)
  default     = {}
}

variable "rotation" {
  description = "Rotation by purser's Lambda: its zip file and architecture, the interval in days, the text of purser.yaml, a secret with the account that makes tokens, the event bus, the KMS key that signs receipts, other secrets of the same credential, and extra environment variables. Without it nothing rotates automatically."
  type = object({
    zip                   = string
    architecture          = optional(string, "arm64")
    every_days            = optional(number, 90)
    config                = optional(string)
    management_secret_arn = optional(string)
    event_bus_arn         = optional(string)
    receipts_key_arn      = optional(string)
    other_secret_arns     = optional(list(string), [])

    environment = optional(map(string), {})
    timeout     = optional(number, 300)
    memory_mb   = optional(number, 256)
  })
  default = null

  validation {
    condition     = var.rotation == null || try(var.rotation.every_days >= 1 && var.rotation.every_days <= 1000, false)
    error_message = "AWS accepts an interval of 1 to 1000 days."
  }

  validation {
    condition     = var.rotation == null || try(contains(["arm64", "amd64", "x86_64"], var.rotation.architecture), false)
    error_message = "The architecture is arm64 or amd64."
  }
}

variable "alarm_topic_arn" {
  description = "ARN of an SNS topic for rotations that fail, are abandoned or are overdue. Its policy must let events.amazonaws.com and cloudwatch.amazonaws.com publish."
  type        = string
  default     = null
}
