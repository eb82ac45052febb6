// Package filelock lets one process at a time work on a file. The lock is advisory:
// it holds back only those who ask for it.
package filelock
