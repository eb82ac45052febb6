// Package sandbox is everything that purser talks to, as stand-ins on loopback:
// Docker Hub with its token service, registry and API, a registry of any other
// kind, and AWS Secrets Manager. `purser sandbox` and the tests use it.
//
// The stand-ins follow the published descriptions (Docker Hub API reference,
// distribution token specification, OCI distribution specification, Secrets
// Manager API reference) and what reference servers do where those are silent.
// They are themselves tested: the suites that run over them run over third-party
// software as well.
package sandbox
