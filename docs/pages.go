// Package docs carries the pages in this folder, so that purser can show them to AI agents.
package docs

import "embed"

// Pages are the pages, by their file names.
//
//go:embed *.md
var Pages embed.FS
