package credential

// Verdict is a registry's answer to a question about a token. An answer that
// did not come is never a refusal.
type Verdict int

// The three verdicts. The zero value is Unknown.
const (
	Unknown Verdict = iota
	Granted
	Refused
)

// String is the verdict in one lower-case word.
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

// Proof is the result of asking the registry what a login may do.
type Proof struct {
	Verdict      Verdict
	Fault        *Fault // why it is not granted; nil when it is
	Kind         Kind
	Owner        string            // the account that the token belongs to, where the registry tells; else ""
	TokenID      string            // what the registry calls the token in its lists, where it tells; else ""
	Level        string            // the token's own level in the registry's words; else ""
	Limited      bool              // the registry says that the token may do less than its account
	Repositories []RepositoryProof // in the order of the credential's repositories
	Excess       []string          // rights beyond what was asked for, in plain words
	Notes        []string          // what a person may want to know and that changes nothing
}

// RepositoryProof is the proof for one repository.
type RepositoryProof struct {
	Repository Repository
	Verdict    Verdict
	Actions    []string // what the registry says it granted; empty where it does not say
	Upload     Upload
}

// Upload tells what became of the upload that a push proof opens.
type Upload string

// The ends of an upload.
const (
	NoUpload        Upload = ""                     // none was opened
	UploadCancelled Upload = "opened and cancelled" // the registry confirmed
	UploadLeft      Upload = "opened"               // it lapses by itself; the registry did not take the cancel
)

// Fold takes a verdict over several answers: any refusal refuses, else any
// unknown leaves it unknown.
func Fold(verdicts ...Verdict) Verdict {
	all := Granted
	for _, v := range verdicts {
		switch v {
		case Refused:
			return Refused
		case Unknown:
			all = Unknown
		case Granted:
		}
	}
	if len(verdicts) == 0 {
		return Unknown
	}
	return all
}
