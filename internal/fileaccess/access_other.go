//go:build !unix && !windows

package fileaccess

import "io/fs"

// Writers finds nothing here, where modes do not say who may write.
func Writers(string, fs.FileInfo, bool) string { return "" }

// Readers finds nothing here either.
func Readers(string, fs.FileInfo) string { return "" }
