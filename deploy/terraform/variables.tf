variable "name" {
  description = "Name of the secret, as purser.yaml has it under store."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9/_+=.@-]{1,512}$", var.name))
    error_message = "A secret's name has letters, digits and /_+=.@- only."
  }
}

variable "description" {
  description = "What the secret is for."
  type        = string
  default     = "Registry token; its value is kept by purser"
}

variable "kms_key_arn" {
  description = "ARN of a KMS key of your own. Without one the secret uses aws/secretsmanager, which ECR's pull-through cache needs."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:", var.kms_key_arn))
    error_message = "The key is named by its ARN."
  }

  validation {
    condition     = var.kms_key_arn == null || !startswith(var.name, "ecr-pullthroughcache/")
    error_message = "ECR's pull-through cache reads secrets with AWS's own key only."
  }
}

variable "read_policy_name" {
  description = "Name of the policy that reads the secret. The default is made of the secret's name."
  type        = string
  default     = null
}

variable "reader_roles" {
  description = "Names of the IAM roles that get the policy."
  type        = set(string)
  default     = []
}

variable "only_principals" {
  description = "ARNs of the only principals that may use the secret; all others are denied, administrators too. Name whoever runs Terraform and purser, or you lock yourself out. Empty: no such rule."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for p in var.only_principals : startswith(p, "arn:")])
    error_message = "Principals are named by their ARNs."
  }
}

variable "replica_regions" {
  description = "Further regions that have a copy."
  type        = set(string)
  default     = []
}

variable "recovery_window_in_days" {
  description = "How long a deleted secret can be brought back."
  type        = number
  default     = 30

  validation {
    condition     = var.recovery_window_in_days >= 7 && var.recovery_window_in_days <= 30
    error_message = "AWS takes 7 to 30 days."
  }
}

variable "belongs_to" {
  description = "The registry and the credential in purser.yaml whose token the secret is for, as \"docker.io dockerhub\". purser sends the token to no other registry. Without it, purser asks a person when it stores the first one."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything that is made."
  type        = map(string)
  default     = {}
}

variable "rotation" {
  description = "Rotation by purser's Lambda: the zip file with its bootstrap and for which processor, how often, the text of purser.yaml, a secret with an account that may make tokens, the bus for events, the KMS key that signs receipts, further secrets of the same credential, and further environment variables. Without it nothing rotates by itself."
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
    error_message = "AWS rotates every 1 to 1000 days."
  }

  validation {
    condition     = var.rotation == null || try(contains(["arm64", "amd64", "x86_64"], var.rotation.architecture), false)
    error_message = "The function is made for arm64 and amd64."
  }
}

variable "alarm_topic_arn" {
  description = "ARN of an SNS topic that is told of rotations that fail, are given up or are overdue. Its policy must let events.amazonaws.com and cloudwatch.amazonaws.com publish."
  type        = string
  default     = null
}
