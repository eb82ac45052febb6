// Package module carries the Terraform module in this folder, so that purser can
// write it where a project wants it.
package module

import "embed"

// Files are the module's own files, without its tests and examples.
//
//go:embed versions.tf variables.tf main.tf rotation.tf outputs.tf README.md
var Files embed.FS
