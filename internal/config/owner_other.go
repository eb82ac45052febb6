//go:build !unix

package config

import "io/fs"

// othersMayWrite finds nothing here, where modes do not say who may write.
func othersMayWrite(string, fs.FileInfo, bool) string { return "" }
