// Package credential defines the types that every other package speaks in: secrets,
// registries, accounts, repositories, stored shapes, proofs and failures. It does no I/O
// and imports nothing of ours.
package credential
