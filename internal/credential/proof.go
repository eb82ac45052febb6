package credential

import "slices"

// Verdict is a registry's answer to a question about a token. A missing answer is
// Unknown, never Refused.
type Verdict int

// The three verdicts. The zero value is Unknown.
const (
	Unknown Verdict = iota
	Granted
	Refused
)

// String returns the verdict as one lower-case word.
func (v Verdict) String() string {
	switch v {
	case Granted:
		return "granted"
	case Refused:
		return "refused"
	default:
		return "unknown"
	}
}

// Proof is the registry's answer about what a login may do.
type Proof struct {
	Verdict      Verdict
	Fault        *Fault // why it is not granted; nil when it is
	Kind         Kind
	Owner        string            // the account that the token belongs to; "" where the registry does not tell
	TokenID      string            // the registry's id of the token; "" where it does not tell
	Level        string            // the token's level in the registry's words; "" where it does not tell
	Limited      bool              // the registry says that the token may do less than its account
	Repositories []RepositoryProof // in the order of the credential's repositories
	Excess       []string          // rights beyond those required, in plain words
	Notes        []string          // worth telling, without effect on the verdict
}

// RepositoryProof is the proof for one repository.
type RepositoryProof struct {
	Repository Repository
	Verdict    Verdict
	Actions    []string // granted, according to the registry; empty where it does not tell
	Upload     Upload
}

// Upload says how the upload that a push proof opened has ended.
type Upload string

// The ends of an upload.
const (
	NoUpload        Upload = ""                     // none was opened
	UploadCancelled Upload = "opened and cancelled" // the registry confirmed it
	UploadLeft      Upload = "opened"               // the registry refused the cancel; it expires
)

// Fold combines verdicts: any refusal refuses; else any unknown, or no verdict at all, is
// unknown.
func Fold(verdicts ...Verdict) Verdict {
	switch {
	case slices.Contains(verdicts, Refused):
		return Refused
	case len(verdicts) == 0 || slices.Contains(verdicts, Unknown):
		return Unknown
	}
	return Granted
}
