// Package skills carries the skills in this folder, so that purser can show them to AI
// agents that have none installed.
package skills

import "embed"

// Files are the skills, a folder each.
//
//go:embed */*.md
var Files embed.FS
