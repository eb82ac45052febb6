package credential

import (
	"strings"
	"time"
)

// ManagedToken is a token as its registry lists it: everything but the token.
type ManagedToken struct {
	ID           string // the registry's own
	Label        string
	Organization string   // "" for a personal token
	Scopes       []string // in the registry's words
	Created      time.Time
	Expires      time.Time // zero: never
	LastUsed     time.Time // zero: not yet
	Active       bool
	Automatic    bool // a sign-in made it, not a person
}

// MintRequest says what token to make.
type MintRequest struct {
	Label        string // at most 100 characters
	Access       Access
	Repositories []Repository // of an organization's token; a personal one reaches all of its account
	Expires      time.Time    // zero: never
}

// labelPrefix begins the label of every token that purser makes.
const labelPrefix = "purser/"

// TokenLabel is the label of a minted token. It names the version that holds it,
// so that a token whose version never arrived can be told from one in use.
func TokenLabel(name Name, id VersionID) string { return labelPrefix + string(name) + "/" + string(id) }

// ParseTokenLabel takes a label apart; ok is false for one that purser did not
// make.
func ParseTokenLabel(label string) (name Name, id VersionID, ok bool) {
	rest, ours := strings.CutPrefix(label, labelPrefix)
	text, version, found := strings.Cut(rest, "/")
	name, err := ParseName(text)
	id = VersionID(version)
	if !ours || !found || err != nil || id.Time().IsZero() {
		return "", "", false
	}
	return name, id, true
}
