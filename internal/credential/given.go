package credential

import "strings"

// Given is the part of a command line that proposed commands repeat, to reach the same place.
type Given struct {
	Command string // such as "tokens list"; "" if unknown
	Flags   []GivenFlag
}

// GivenFlag is a flag with its value.
type GivenFlag struct{ Name, Value string }

// Has reports whether a flag is given.
func (g Given) Has(name string) bool {
	for _, f := range g.Flags {
		if f.Name == name {
			return true
		}
	}
	return false
}

// Declared is the code in the project that creates a missing target.
type Declared struct {
	Address string // in its language
	At      string // file:line, for people
	Dir     string // its folder, to type; "" if that is not possible
	Region  string // of the target; "" if unknown
	Applied string // the target's full name in the state beside the code; "" if unknown
}

var shellSafe = NewPattern(`^[A-Za-z0-9_@%+=:,./-]+$`)

// ShellWord makes a text one word for a shell, with quotes if it needs them.
func ShellWord(text string) string {
	if shellSafe.MatchString(text) {
		return text
	}
	return QuoteShell(text)
}

// QuoteShell quotes a text for a shell.
func QuoteShell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
