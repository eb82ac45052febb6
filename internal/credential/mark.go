package credential

import "strings"

// Mark says what a stored value belongs to. The store keeps it beside the value, out of
// reach of whoever can write a checkout, so that a purser.yaml cannot lead the value to
// another registry. The zero Mark is that of a value that was stored by hand.
type Mark struct {
	Registry Host      // where the value may be sent
	Name     Name      // the credential whose token is kept there
	Since    VersionID // the first version that it speaks of; "": all of them
}

// Elsewhere is the registry of a value that was stored before its place was given to
// another registry. It is no host's name.
const Elsewhere Host = "(another registry)"

// MarkOf is the mark of what is stored for a credential.
func MarkOf(c Credential) Mark { return Mark{Registry: c.Registry, Name: c.Name} }

// Is reports whether both marks name the same registry and credential.
func (m Mark) Is(other Mark) bool { return m.Registry == other.Registry && m.Name == other.Name }

// IsZero reports whether nothing is marked.
func (m Mark) IsZero() bool { return m.Registry == "" }

// For is the registry that a version belongs to, "" where nobody has said it. A version
// of purser's tells by its id whether it is older than the mark. Of one that purser did
// not make only the stage tells: what was current before is older.
func (m Mark) For(id VersionID, at Stage) Host {
	older := id.IsOurs() && id.Time().Before(m.Since.Time()) || !id.IsOurs() && at == Previous
	if m.Since != "" && id != m.Since && older {
		return Elsewhere
	}
	return m.Registry
}

// brackets are what an address of IPv6 has and a tag of AWS cannot hold.
var brackets = [2]*strings.Replacer{strings.NewReplacer("[", "=5B", "]", "=5D"), strings.NewReplacer("=5B", "[", "=5D", "]")}

// String is the mark as a tag of AWS holds it: "REGISTRY NAME" or "REGISTRY NAME VERSION".
func (m Mark) String() string {
	return strings.TrimSpace(brackets[0].Replace(string(m.Registry)) + " " + string(m.Name) + " " + string(m.Since))
}

// ParseMark reads what String wrote. A text that it cannot have written is a mark for
// Elsewhere: a value whose mark is damaged goes nowhere.
func ParseMark(text string) Mark {
	words := strings.Fields(brackets[1].Replace(text))
	if len(words) == 0 {
		return Mark{}
	}
	host, err := ParseHost(words[0])
	if err != nil || string(host) != words[0] || len(words) > 3 {
		return Mark{Registry: Elsewhere}
	}
	m := Mark{Registry: host}
	if len(words) > 1 {
		if m.Name, err = ParseName(words[1]); err != nil {
			return Mark{Registry: Elsewhere}
		}
	}
	if len(words) > 2 {
		m.Since = VersionID(words[2])
	}
	return m
}
