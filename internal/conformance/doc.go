// Package conformance puts one suite of questions to purser's stand-ins and to the software
// of others that speaks the same protocols, and keeps every answer beside the one that AWS
// and Docker document. What it finds is docs/conformance.md. It holds tests alone.
package conformance
