// Package sandbox is everything that purser talks to, as stand-ins on loopback:
// Docker Hub with its token service, registry and API, a registry of any other
// kind, and AWS Secrets Manager. `purser sandbox` and the tests use it. Each stand-in
// has a room of its own; here they are started together, given names, certificates and
// the accounts of an example, and kept in a folder.
//
// The stand-ins follow the published descriptions (Docker Hub API reference,
// distribution token specification, OCI distribution specification, Secrets
// Manager API reference) and what reference servers do where those are silent.
// They are themselves tested: the suites that run over them run over third-party
// software as well.
package sandbox
