package credential

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
)

// Name is a credential's name in purser.yaml.
type Name string

var nameForm = NewPattern(`^[a-z0-9][a-z0-9._-]*$`)

const longestName = 63

// ParseName reads a credential's name: lower-case letters, digits, . _ and -,
// at most 63 characters. Text in the form of a token is refused as what it is.
func ParseName(text string) (Name, error) {
	if HoldsToken(text) {
		return "", &Fault{
			Reason: TokenInArguments, What: "a token was given as an argument",
			Why: "it is now in the shell's history and, while this runs, in the process list",
		}
	}
	if len(text) > longestName || !nameForm.MatchString(text) {
		return "", &Fault{
			Reason: Usage, What: "the credential's name is not valid",
			Why: "a name is lower-case letters, digits, '.', '_' and '-', at most 63 characters",
		}
	}
	return Name(text), nil
}

// Credential is one entry of purser.yaml: a registry, an account, what its
// consumers do there, and where its token is kept for them.
type Credential struct {
	Name         Name
	Registry     Host
	Username     string // empty: the account that the token says it belongs to
	Repositories []Repository
	Access       Access
	Targets      []Target
	Rotate       Rotation
	Readers      []string // principals that may read it, for audits

	CAFile    string   // PEM certificates to trust for this registry besides the system's
	AuthHosts []string // hosts other than the registry's own that may ask for the token
	// Via is ViaOf both, where others may have written them, so that a person has to
	// agree; "" where there is nothing to agree to.
	Via string
}

// Rotation says how often a credential is renewed.
type Rotation struct {
	Every   time.Duration // 0: no schedule
	Overlap time.Duration // how long the old token stays alive beside the new one
}

// VersionID names one version of a stored value. For Secrets Manager it is the
// ClientRequestToken of the call that made it.
type VersionID string

// versionPrefix marks the versions that purser made, so that a left-over of an
// interrupted run can be told from somebody else's rotation.
const versionPrefix = "purser-"

// NewVersionID makes an id that is unique, says that it is ours and when it was
// made: "purser-" and a UUID of version 7 (RFC 9562 section 5.7), 43 characters,
// within Secrets Manager's 32 to 64. With a home, the place that it is for, its last
// bits say so: see MadeFor.
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

// Time is when one of our versions was made, to the millisecond; the zero time
// for versions that purser did not make.
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

// homeBytes is how much of an id tells its home; the rest is still unique.
const homeBytes = 4

func homeMark(home string) []byte {
	sum := sha256.Sum256([]byte(home))
	return sum[:homeBytes]
}

// MadeFor reports whether the id was made for a home. The same name of a credential
// may be used by two projects with one account: what one of them made must not be
// taken for a left-over of the other.
func (v VersionID) MadeFor(home string) bool {
	return home != "" && v.IsOurs() && strings.HasSuffix(string(v), hex.EncodeToString(homeMark(home)))
}

// Stage is a staging label in Secrets Manager's words; the encrypted file has
// the same three.
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

// Description is what a store says about a target without showing its value.
type Description struct {
	Where        string    // the ARN or the file's path
	Home         string    // tells this target from every other one, anywhere; "" when nothing does
	Key          string    // what encrypts it, by its name there; "" where it is not told
	OwnKey       bool      // Key is one that a person has made, who may let others in or not
	Unfit        *Fault    // why its consumers cannot use what is stored, as far as it shows; nil: they can
	Mark         Mark      // what the values belong to; zero: nobody has said it
	Versions     []Version // those with a stage
	Changed      time.Time // last change of any kind; the zero time when unknown
	Foreign      string    // the account that it is in, when that is not the caller's: its owner writes the mark
	Deleted      time.Time // when it was marked for deletion; zero: it was not
	Rotating     bool      // a rotation is configured at the store itself
	NextRotation time.Time
	Expires      time.Time // of the current token, where it was noted when stored; zero: unknown
	Replicas     []Replica // copies in other regions
}

// Replica is a copy of a target that the store keeps in another region.
type Replica struct {
	Region string
	InSync bool
	Failed bool   // it will not come to be in sync by itself
	Why    string // in the store's words; may be empty
}

// Behind is the first copy that does not have what the target has; nil when all do.
func (d Description) Behind() *Replica {
	for i, c := range d.Replicas {
		if !c.InSync {
			return &d.Replicas[i]
		}
	}
	return nil
}

// At returns the version that holds the stage, or "".
func (d Description) At(stage Stage) VersionID {
	for _, v := range d.Versions {
		for _, s := range v.Stages {
			if s == stage {
				return v.ID
			}
		}
	}
	return ""
}

// CurrentSince is when the current version was made, and whether that is exact:
// versions of purser carry the time, for others the last change of the whole
// secret is the nearest that can be known without reading it.
func (d Description) CurrentSince() (at time.Time, exact bool) {
	if t := d.At(Current).Time(); !t.IsZero() {
		return t, true
	}
	return d.Changed, false
}
