// Package registry asks a registry what a login may do there, without pushing
// anything: the proof that a token is good for its consumers.
//
// oci.go is the proof over the registry protocol (OCI distribution
// specification, and the distribution project's token specification).
// client.go is the only way to the network and holds the rules about where a token
// may be sent. kind.go is what a kind of registry can do beyond the protocol; each
// has a folder of its own that says it.
package registry
