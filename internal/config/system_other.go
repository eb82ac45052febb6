//go:build !windows

package config

// SystemPath returns the path of a build agent's configuration. If it exists, the environment
// can only choose among its credentials.
func SystemPath() string { return "/etc/purser/purser.yaml" }
