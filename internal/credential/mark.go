package credential

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// Mark says what a stored value belongs to. The store keeps it beside the value, out of
// reach of whoever can write a checkout, so that a hostile purser.yaml cannot send the
// value to another registry. A value stored by hand has the zero Mark.
type Mark struct {
	Registry Host      // where the value may be sent
	Name     Name      // the credential whose token is stored there
	Since    VersionID // the first version it applies to; "": all
	Via      string    // the way to the registry that a person agreed to, as Credential.Via; "": the usual one
}

// Elsewhere stands for the unknown registry of a value that was stored before its place
// moved to another registry. It is not a valid host name.
const Elsewhere Host = "(another registry)"

// MarkOf returns the mark for a credential's stored values.
func MarkOf(c Credential) Mark { return Mark{Registry: c.Registry, Name: c.Name, Via: c.Via} }

// ViaOf identifies a way to a registry by the extra certificates it trusts and the other
// hosts that may ask for the token; "" without either.
func ViaOf(certificates []byte, hosts []string) string {
	if len(certificates) == 0 && len(hosts) == 0 {
		return ""
	}
	raw, _ := json.Marshal([]any{certificates, slices.Sorted(slices.Values(hosts))}) // text and bytes always encode
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// Vouches reports whether the mark allows sending the value that way.
func (m Mark) Vouches(via string) bool { return via == "" || via == m.Via }

// Is reports whether both marks name the same registry and credential.
func (m Mark) Is(other Mark) bool { return m.Registry == other.Registry && m.Name == other.Name }

// IsZero reports whether nothing is marked.
func (m Mark) IsZero() bool { return m.Registry == "" }

// For returns the registry that a version belongs to, "" where no mark says. The id of
// purser's versions shows whether they are older than the mark. For others only the stage
// does: AWSPREVIOUS is older.
func (m Mark) For(id VersionID, at Stage) Host {
	older := id.IsOurs() && id.Time().Before(m.Since.Time()) || !id.IsOurs() && at == Previous
	if m.Since != "" && id != m.Since && older {
		return Elsewhere
	}
	return m.Registry
}

// brackets escapes those of an IPv6 address, which an AWS tag cannot hold.
var brackets = [2]*strings.Replacer{strings.NewReplacer("[", "=5B", "]", "=5D"), strings.NewReplacer("=5B", "[", "=5D", "]")}

// viaWord prefixes the way in a mark. Names and versions never contain a colon.
const viaWord = "via:"

var viaForm = NewPattern(`^[0-9a-f]{32}$`)

// String returns the mark as an AWS tag: "REGISTRY [NAME [VERSION]] [via:WAY]".
func (m Mark) String() string {
	words := []string{brackets[0].Replace(string(m.Registry)), string(m.Name), string(m.Since)}
	if m.Via != "" {
		words = append(words, viaWord+m.Via)
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// ParseMark parses what String wrote. Any other text becomes a mark for Elsewhere, so that
// a value with a damaged mark goes nowhere.
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
