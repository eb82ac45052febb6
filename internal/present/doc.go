// Package present is how purser tells what happens: to a person, line by line and in
// tables (told.go), as JSON (json.go), with an exit code and what to do next for every
// reason to fail (reasons.go), and how it asks at a terminal (terminal.go). It does
// nothing and decides nothing.
package present
