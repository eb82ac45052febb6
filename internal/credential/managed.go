package credential

import (
	"encoding/hex"
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

// Label is what a token that purser made is called at the registry: the credential
// and the version that is to hold it. So a token whose version never arrived can be
// told from one in use, by any run on any machine.
type Label struct {
	Name    Name
	Version VersionID
	home    string // what tells its home; "" when the version's id does
}

const (
	labelPrefix = "purser/"
	homeSign    = "@"
)

// rotationID is a version id that Secrets Manager chose when it began a rotation (API
// reference of RotateSecret, ClientRequestToken).
var rotationID = NewPattern(`^[A-Za-z0-9-]{32,64}$`)

// NewLabel is the label of a token of a credential for a version at a home. An id that
// the store chose does not say its home, so the label does.
func NewLabel(name Name, id VersionID, home string) Label {
	l := Label{Name: name, Version: id}
	if id.Time().IsZero() && home != "" {
		l.home = hex.EncodeToString(homeMark(home))
	}
	return l
}

// String is the label as the registry has it.
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

// HomeOf tells a credential's place at its registry from every other one: what a label and
// a version are made for. "" when the place cannot be told.
func HomeOf(host Host, d Description) string {
	if d.Home == "" {
		return ""
	}
	return string(host) + "\x00" + d.Home
}

// ParseLabel takes a label apart; ok is false for one that purser did not make.
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
