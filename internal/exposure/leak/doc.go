//go:build !leak || !linux

// Package leak is empty except in builds with the leak tag, which test the search for exposure.
package leak
