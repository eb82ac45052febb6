//go:build !unix

package scan

const nonBlocking = 0
