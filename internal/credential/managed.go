package credential

import (
	"encoding/hex"
	"strings"
	"time"
)

// ManagedToken is an entry of a registry's token list: everything but the token itself.
type ManagedToken struct {
	ID           string // the registry's id
	Label        string
	Organization string   // "" for a personal token
	Scopes       []string // in the registry's words
	Created      time.Time
	Expires      time.Time // zero: never
	LastUsed     time.Time // zero: not yet
	Active       bool
	Automatic    bool // a sign-in made it, not a person
}

// MintRequest describes a token to make.
type MintRequest struct {
	Label        string // at most 100 characters
	Access       Access
	Repositories []Repository // for an organization's token; a personal one reaches the whole account
	Expires      time.Time    // zero: never
}

// Label names, at the registry, a token that purser made: the credential, and the version
// that is to hold it. With it any run on any machine can tell a token whose version was
// never stored from one in use.
type Label struct {
	Name    Name
	Version VersionID
	home    string // identifies the home; "" when the version's id does
}

const (
	labelPrefix = "purser/"
	homeSign    = "@"
)

// rotationID matches a version id that Secrets Manager chose when it began a rotation
// (API reference of RotateSecret, ClientRequestToken).
var rotationID = NewPattern(`^[A-Za-z0-9-]{32,64}$`)

// NewLabel returns the label of a token for a version at a home. An id that the store
// chose does not identify its home, so the label does.
func NewLabel(name Name, id VersionID, home string) Label {
	l := Label{Name: name, Version: id}
	if id.Time().IsZero() && home != "" {
		l.home = hex.EncodeToString(homeMark(home))
	}
	return l
}

// String returns the label as the registry stores it.
func (l Label) String() string {
	text := labelPrefix + string(l.Name) + "/" + string(l.Version)
	if l.home != "" {
		text += homeSign + l.home
	}
	return text
}

// MadeFor reports whether the token was made for a home. See VersionID.MadeFor.
func (l Label) MadeFor(home string) bool {
	if l.home == "" {
		return l.Version.MadeFor(home)
	}
	return home != "" && l.home == hex.EncodeToString(homeMark(home))
}

// HomeOf identifies a credential's place at its registry, for labels and version ids; ""
// when the store's description has no identity.
func HomeOf(host Host, d Description) string {
	if d.Home == "" {
		return ""
	}
	return string(host) + "\x00" + d.Home
}

// ParseLabel parses a label; ok is false if purser did not make it.
func ParseLabel(text string) (l Label, ok bool) {
	rest, ours := strings.CutPrefix(text, labelPrefix)
	name, rest, found := strings.Cut(rest, "/")
	version, home, marked := strings.Cut(rest, homeSign)
	l = Label{Version: VersionID(version), home: home}
	var err error
	if l.Name, err = ParseName(name); !ours || !found || err != nil {
		return Label{}, false
	}
	switch {
	case !marked && !l.Version.Time().IsZero():
		return l, true
	case marked && len(home) == hex.EncodedLen(homeBytes) && rotationID.MatchString(version):
		return l, true
	}
	return Label{}, false
}
