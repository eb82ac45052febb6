// Package credential holds purser's nouns: the secret text of a token, the
// registry, account and repositories that it is for, where it is kept and in
// which shape, what a registry answered about it, and the ways all of that can
// fail. Every other package speaks in these types.
//
// It does no input or output and imports nothing of ours.
package credential
