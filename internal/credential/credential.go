package credential

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Name is a credential's name in purser.yaml.
type Name string

var nameForm = NewPattern(`^[a-z0-9][a-z0-9._-]*$`)

const longestName = 63

// ParseName parses a credential's name: lower-case letters, digits, . _ and -, at most
// 63 characters. Text that contains a token is rejected as a token.
func ParseName(text string) (Name, error) {
	if HoldsToken(text) {
		return "", &Fault{
			Reason: TokenInArguments, What: "you gave a token as an argument",
			Why: "it is now in your shell's history and, while the command runs, in the process list",
		}
	}
	if len(text) > longestName || !nameForm.MatchString(text) {
		return "", &Fault{
			Reason: Usage, What: "the credential's name is invalid",
			Why: "a name has only lower-case letters, digits, '.', '_' and '-', and at most 63 characters",
		}
	}
	return Name(text), nil
}

// Credential is one entry of purser.yaml: a registry, an account, the access its
// consumers need, and where its token is stored for them.
type Credential struct {
	Name         Name
	Registry     Host
	Username     string // empty: the account that the token belongs to
	Repositories []Repository
	Access       Access
	Targets      []Target
	Rotate       Rotation
	Readers      []string // principals that may read the secret, for audits

	CAFile    string   // PEM certificates to trust for this registry besides the system's
	AuthHosts []string // hosts other than the registry's own that may ask for the token
	// Via is ViaOf(CAFile's content, AuthHosts) where others may have written them, so that
	// a person has to agree; "" where nobody has to.
	Via string
}

// Rotation says how often a credential is renewed.
type Rotation struct {
	Every   time.Duration // 0: no schedule
	Overlap time.Duration // how long the old token keeps working
}

// VersionID names one version of a stored value. In Secrets Manager it is the
// ClientRequestToken of the call that made it.
type VersionID string

// versionPrefix marks purser's versions: a leftover of an interrupted run differs from
// another program's rotation by it.
const versionPrefix = "purser-"

// NewVersionID makes a unique id that shows who made it and when: "purser-" and a UUID of
// version 7 (RFC 9562 section 5.7), 43 characters, within Secrets Manager's 32 to 64. Its
// last bits identify the home, if one is given; see MadeFor.
func NewVersionID(now time.Time, random io.Reader, home string) (VersionID, error) {
	var b [16]byte
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		return "", fmt.Errorf("choose a version id: %w", err)
	}
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(now.UnixMilli()))
	copy(b[:6], ms[2:])
	b[6] = b[6]&0x0f | 0x70
	b[8] = b[8]&0x3f | 0x80
	if home != "" {
		copy(b[len(b)-homeBytes:], homeMark(home))
	}
	h := hex.EncodeToString(b[:])
	return VersionID(versionPrefix + h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]), nil
}

// IsOurs reports whether purser made the version.
func (v VersionID) IsOurs() bool { return strings.HasPrefix(string(v), versionPrefix) }

// Time returns when purser made the version, to the millisecond; the zero time for
// versions of others.
func (v VersionID) Time() time.Time {
	rest, ours := strings.CutPrefix(string(v), versionPrefix)
	raw, err := hex.DecodeString(strings.ReplaceAll(rest, "-", ""))
	if !ours || err != nil || len(raw) != 16 {
		return time.Time{}
	}
	var ms [8]byte
	copy(ms[2:], raw[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(ms[:]))).UTC() //nolint:gosec // 48 bits
}

// homeBytes is the part of an id that identifies its home; the rest stays unique.
const homeBytes = 4

func homeMark(home string) []byte {
	sum := sha256.Sum256([]byte(home))
	return sum[:homeBytes]
}

// MadeFor reports whether the id was made for a home. Two projects may use the same
// credential name with one account; neither may take the other's version for a leftover.
func (v VersionID) MadeFor(home string) bool {
	return home != "" && v.IsOurs() && strings.HasSuffix(string(v), hex.EncodeToString(homeMark(home)))
}

// Stage is a staging label, in Secrets Manager's words; the encrypted file has the same
// three.
type Stage string

// The stages of a version.
const (
	Current  Stage = "AWSCURRENT"
	Pending  Stage = "AWSPENDING"
	Previous Stage = "AWSPREVIOUS"
)

// Version is one version of a stored value, without the value.
type Version struct {
	ID     VersionID
	Stages []Stage
}

// Description is what a store says about a target, without its value.
type Description struct {
	Where        string    // the ARN or the file's path
	Home         string    // globally unique identity of the target; "" when it has none
	Key          string    // the store's name for the encryption key; "" when it does not tell
	OwnKey       bool      // a person made Key, and decides who may use it
	Unfit        *Fault    // why consumers cannot use the stored value, as far as the store shows; nil: they can
	Mark         Mark      // what the values belong to; zero: not marked
	Versions     []Version // those with a stage
	Changed      time.Time // last change of any kind; zero: unknown
	Foreign      string    // the target's account when it is not the caller's: its owner writes the mark
	Deleted      time.Time // when it was scheduled for deletion; zero: it was not
	Rotating     bool      // the store itself has a rotation configured
	NextRotation time.Time
	Expires      time.Time // of the current token, where noted when stored; zero: unknown
	Replicas     []Replica // copies in other regions
}

// Replica is a copy of a target that the store keeps in another region.
type Replica struct {
	Region string
	InSync bool
	Failed bool   // it will not get in sync by itself
	Why    string // in the store's words; may be empty
}

// Behind returns the first replica that is out of sync; nil when there is none.
func (d Description) Behind() *Replica {
	if i := slices.IndexFunc(d.Replicas, func(r Replica) bool { return !r.InSync }); i >= 0 {
		return &d.Replicas[i]
	}
	return nil
}

// At returns the version that holds the stage, or "".
func (d Description) At(stage Stage) VersionID {
	for _, v := range d.Versions {
		if slices.Contains(v.Stages, stage) {
			return v.ID
		}
	}
	return ""
}

// CurrentSince returns when the current version was made, and whether that is exact.
// purser's version ids carry the time; for others, the secret's last change is the best
// estimate that does not read the value.
func (d Description) CurrentSince() (at time.Time, exact bool) {
	if t := d.At(Current).Time(); !t.IsZero() {
		return t, true
	}
	return d.Changed, false
}
