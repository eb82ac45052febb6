// Package source finds a token on standard input, or in docker's configuration or credential
// helpers. It does not judge or prove the token.
package source
