// Package module embeds the Terraform module in this folder, for purser to write into a project.
package module

import "embed"

// Files holds the module without its tests and examples.
//
//go:embed versions.tf variables.tf main.tf rotation.tf outputs.tf README.md
var Files embed.FS
