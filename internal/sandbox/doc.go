// Package sandbox runs stand-ins on loopback for everything that purser talks to: Docker Hub
// with its token service, registry and API, other registries, and AWS Secrets Manager.
// `purser sandbox` and the tests use it. Each stand-in has its own package; this one starts
// them with names, certificates and example accounts, and saves their state.
//
// The stand-ins follow the published descriptions (Docker Hub API reference, distribution
// token specification, OCI distribution specification, Secrets Manager API reference) and
// reference servers where those are silent. The tests that run against the stand-ins also
// run against third-party servers.
package sandbox
