package credential

import "strings"

// Given is a command line, as far as the commands that purser proposes repeat it: what is
// typed next must lead to the same place.
type Given struct {
	Command string // its words, such as "tokens list"; "" when unknown
	Flags   []GivenFlag
}

// GivenFlag is a flag with its value.
type GivenFlag struct{ Name, Value string }

// Has reports whether a flag was given.
func (g Given) Has(name string) bool {
	for _, f := range g.Flags {
		if f.Name == name {
			return true
		}
	}
	return false
}

// Declared is what makes a target that was not found, in the project's own code.
type Declared struct {
	Address string // as its language names it
	At      string // file:line, for people
	Dir     string // its folder as one types it; "" where it cannot be typed
	Region  string // where it makes the target; "" where that is not written out
	Applied string // the target as the state beside it has it, by its whole name; "" where that is not known
}

var shellSafe = NewPattern(`^[A-Za-z0-9_@%+=:,./-]+$`)

// ShellWord makes a text one word for a shell, as it is where it needs no quotes.
func ShellWord(text string) string {
	if shellSafe.MatchString(text) {
		return text
	}
	return QuoteShell(text)
}

// QuoteShell is a text in quotes, as one word for a shell.
func QuoteShell(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
