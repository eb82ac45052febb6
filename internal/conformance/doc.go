// Package conformance asks purser's stand-ins and other implementations of the same protocols the same
// questions, and compares every answer with what AWS and Docker document. The result is
// docs/conformance.md. The package contains only tests.
package conformance
