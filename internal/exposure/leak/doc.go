//go:build !leak || !linux

// Package leak is empty but in builds that are made to be caught.
package leak
