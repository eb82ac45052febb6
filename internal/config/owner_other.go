//go:build !unix

package config

import "io/fs"

// othersMayWrite: who may write a file is not in its mode here.
func othersMayWrite(string, fs.FileInfo, bool) string { return "" }
