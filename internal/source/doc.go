// Package source finds a token where it is now: piped in, typed at a terminal,
// or left by docker in its configuration or a credential helper. It only finds;
// what may be stored of it, and proving it, is for others.
package source
