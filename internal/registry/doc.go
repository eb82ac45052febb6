// Package registry proves what a login may do at a registry, without pushing anything.
//
// oci.go has the proof over the registry protocol (OCI distribution specification, and the
// distribution project's token specification). client.go is the only way to the network, and decides
// where a token may be sent. kind.go says what kinds of registries can do beyond the protocol; each
// kind has its own package.
package registry
