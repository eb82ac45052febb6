package credential

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// Mark says what a stored value belongs to. The store keeps it beside the value, out of
// reach of whoever can write a checkout, so that a purser.yaml cannot lead the value to
// another registry. The zero Mark is that of a value that was stored by hand.
type Mark struct {
	Registry Host      // where the value may be sent
	Name     Name      // the credential whose token is kept there
	Since    VersionID // the first version that it speaks of; "": all of them
	Via      string    // the way to the registry that a person agreed to, as Credential.Via; "": the usual one
}

// Elsewhere is the registry of a value that was stored before its place was given to
// another registry. It is no host's name.
const Elsewhere Host = "(another registry)"

// MarkOf is the mark of what is stored for a credential.
func MarkOf(c Credential) Mark { return Mark{Registry: c.Registry, Name: c.Name, Via: c.Via} }

// ViaOf tells a way to a registry from every other one: the certificates that may stand for
// it besides the system's, and the other hosts that may ask for its token. Without either it
// is "".
func ViaOf(certificates []byte, hosts []string) string {
	if len(certificates) == 0 && len(hosts) == 0 {
		return ""
	}
	raw, _ := json.Marshal([]any{certificates, slices.Sorted(slices.Values(hosts))}) // text and bytes always encode
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// Vouches reports whether the mark lets a value go by a way to its registry.
func (m Mark) Vouches(via string) bool { return via == "" || via == m.Via }

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

// viaWord begins the word of a mark that holds its way. No name and no version has a colon.
const viaWord = "via:"

var viaForm = NewPattern(`^[0-9a-f]{32}$`)

// String is the mark as a tag of AWS holds it: "REGISTRY [NAME [VERSION]] [via:WAY]".
func (m Mark) String() string {
	words := []string{brackets[0].Replace(string(m.Registry)), string(m.Name), string(m.Since)}
	if m.Via != "" {
		words = append(words, viaWord+m.Via)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// ParseMark reads what String wrote. A text that it cannot have written is a mark for
// Elsewhere: a value whose mark is damaged goes nowhere.
func ParseMark(text string) Mark {
	words := strings.Fields(brackets[1].Replace(text))
	if len(words) == 0 {
		return Mark{}
	}
	via, agreed := strings.CutPrefix(words[len(words)-1], viaWord)
	if agreed {
		words = words[:len(words)-1]
	}
	if len(words) == 0 || agreed && !viaForm.MatchString(via) {
		return Mark{Registry: Elsewhere}
	}
	host, err := ParseHost(words[0])
	if err != nil || string(host) != words[0] || len(words) > 3 {
		return Mark{Registry: Elsewhere}
	}
	m := Mark{Registry: host}
	if agreed {
		m.Via = via
	}
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
