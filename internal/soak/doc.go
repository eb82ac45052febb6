// Package soak runs purser for minutes under load and failures: random commands on many credentials
// of several accounts, killed, interrupted and run in parallel, while consumers read. After each step
// it checks purser's guarantees from outside, at the store and the registry. `make soak` runs longer;
// the printed seed repeats a run.
package soak
