// Package present prints what purser does, as lines and tables (told.go) or as JSON (json.go),
// and gives every reason to fail an exit code and advice (reasons.go). It asks at the terminal
// (terminal.go), and decides nothing.
package present
