package credential

import (
	"cmp"
	"errors"
	"strings"
	"time"
)

// Reason classifies a failure that a person can act on. The command line maps it to an
// exit code and to the next command to type.
type Reason string

// The reasons, grouped by who has to act.
const (
	Usage            Reason = "usage"              // wrong arguments or configuration
	NoConfiguration  Reason = "no-configuration"   // there is no purser.yaml
	TokenInArguments Reason = "token-in-arguments" // a secret was given where everyone can read it
	BadToken         Reason = "bad-token"          // the text cannot be a token of any registry
	KindNotStored    Reason = "kind-not-stored"    // a session, or a password without --allow-password
	NoToken          Reason = "no-token"           // no source had a token
	SourceUnclear    Reason = "source-unclear"     // the command does not say where the token comes from
	NoTerminal       Reason = "no-terminal"        // there is no terminal to ask a question on
	ConsentNeeded    Reason = "consent-needed"     // a person has to decide, and purser cannot ask one here
	Declined         Reason = "declined"           // the person said no
	Interrupted      Reason = "interrupted"        // a signal ended the run
	TimedOut         Reason = "timed-out"          // the run exceeded --timeout
	OutputLost       Reason = "output-lost"        // the command could not write its output

	TokenRefused      Reason = "token-refused"      // the registry does not know the token or the account
	TokenExpired      Reason = "token-expired"      // the registry says that the token has expired
	NeedsToken        Reason = "needs-token"        // the registry wants an access token and got a password
	LevelTooLow       Reason = "level-too-low"      // the token was made with fewer rights than needed
	NotPermitted      Reason = "not-permitted"      // the account behind the token lacks the right
	WrongOwner        Reason = "wrong-owner"        // the token belongs to another account
	BelongsElsewhere  Reason = "belongs-elsewhere"  // the value belongs to another registry, by its mark or its form
	RepositoryMissing Reason = "repository-missing" // pushing would create the repository

	SessionNeeded    Reason = "session-needed"     // managing tokens needs a session, and there is none
	SessionEnded     Reason = "session-ended"      // the session has expired or was ended
	SignInRefused    Reason = "sign-in-refused"    // the registry refuses the account name, password or second factor
	SignInImpossible Reason = "sign-in-impossible" // the account can sign in only in another way
	MintRefused      Reason = "mint-refused"       // the registry did not make the token
	MaybeMinted      Reason = "maybe-minted"       // purser does not know whether the registry made the token
	TokenLimit       Reason = "token-limit"        // the registry allows no more tokens
	PlanLacks        Reason = "plan-lacks"         // the account's plan lacks the feature
	NotDead          Reason = "not-dead"           // the registry still accepts a revoked token
	NotStopped       Reason = "not-stopped"        // a token that may have leaked still works, and purser cannot end it
	NoSuchToken      Reason = "no-such-token"      // the registry does not list the token
	LiveFound        Reason = "live-found"         // a scan found a token that works
	TokenFound       Reason = "token-found"        // a scan found a token that is not known to work
	NotLookedFor     Reason = "not-looked-for"     // a scan could not look for a value, or not everywhere

	RateLimited         Reason = "rate-limited"         // the registry asks to be left alone for a while
	RegistryUnreachable Reason = "registry-unreachable" // no connection, or no answer in time
	RegistryStrange     Reason = "registry-strange"     // the registry sent an answer that the protocol does not have
	RegistryUnsafe      Reason = "registry-unsafe"      // going on would send the token where it does not belong
	ProofEmpty          Reason = "proof-empty"          // the registry grants the same without credentials, so the proof means nothing

	ProfileMissing      Reason = "profile-missing"      // the AWS configuration has no such profile
	NotSignedIn         Reason = "not-signed-in"        // AWS credentials are missing or expired
	RegionMissing       Reason = "region-missing"       // no AWS region is configured
	AccessDenied        Reason = "access-denied"        // AWS knows the caller and refuses; the secret may be missing
	KeyDenied           Reason = "key-denied"           // the secret's KMS key refuses the caller
	ClockSkew           Reason = "clock-skew"           // the machine's clock is too far off for signed requests
	SecretMissing       Reason = "secret-missing"       // this account and region have no such secret
	SecretDeleted       Reason = "secret-deleted"       // the secret is scheduled for deletion
	SecretEmpty         Reason = "secret-empty"         // the secret has no value in the requested stage
	ValueStrange        Reason = "value-strange"        // the stored value does not have the expected shape
	MidRotation         Reason = "mid-rotation"         // another rotation is under way
	Overtaken           Reason = "overtaken"            // other runs of purser changed the same secret at the same time
	StoreUnreachable    Reason = "store-unreachable"    // the store gave no answer
	StoreRefused        Reason = "store-refused"        // the store rejected the request itself
	StoreFile           Reason = "store-file"           // the encrypted file or its identity cannot be used
	KeyUnfit            Reason = "key-unfit"            // the consumer cannot use the secret's key
	DockerPlaintext     Reason = "docker-plaintext"     // docker's config holds a password in readable form
	AgentRedactor       Reason = "agent-redactor"       // the CI agent cannot redact the token in the job's log
	HelperMissing       Reason = "helper-missing"       // docker is configured to use a helper that is not installed
	TerraformOverwrites Reason = "terraform-overwrites" // the project's Terraform also writes the secret's value
	TerraformHolds      Reason = "terraform-holds"      // a Terraform state file contains a value of the secret
	ReplicaBehind       Reason = "replica-behind"       // a replica in another region lacks the new value
	RotationOverdue     Reason = "rotation-overdue"     // a token is past its rotation date
	ReceiptFailed       Reason = "receipt-failed"       // the receipt of a change cannot be signed or written
	ReceiptFile         Reason = "receipt-file"         // receipts may not go to the configured file
	ReceiptBad          Reason = "receipt-bad"          // a receipt is not signed by a trusted key, was changed, or is out of place
	ReadBackDiffers     Reason = "read-back-differs"    // the store returned something other than what was written
)

// NotAssigned is Fault.SignIn when the person is signed in but lacks the profile's role.
const NotAssigned = "not-assigned"

// Fault is a failure with what a person needs to act on it. None of its texts
// contains secret material.
type Fault struct {
	Reason Reason
	What   string // what happened, lower-case, no full stop
	Why    string // the cause, or the possible causes; may be empty
	Err    error  // the underlying error; may be nil

	// Untouched means that the requested change did not happen and will not: a store's
	// failed write left nothing behind.
	Untouched bool
	Unchanged bool // the whole run changed nothing

	// These fill in the next command; empty where they do not apply.
	Credential Name
	Registry   Host
	Host       string // which did not answer as it should; "" when unknown
	Proxy      string // which requests pass through; "" for none
	Account    string
	Repository Repository
	Access     Access
	Target     Target
	Change     string        // replacement text, in lines; may be empty
	Help       string        // the command whose help shows how to type it; "" if help is of no use
	SignIn     string        // how the AWS profile gets credentials; "" when unknown
	Wait       time.Duration // how long to leave the registry alone; 0 when unknown
	Given      Given         // the command line that failed
	Declared   *Declared     // what makes the target that is missing; nil when unknown
	Denial     *Denial       // what a cloud did not allow; nil when unknown
}

// Error returns What and Why in one line.
func (f *Fault) Error() string {
	return strings.TrimSuffix(f.What+": "+f.Why, ": ")
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// About fills in the credential's fields that are still unknown, and returns f.
func (f *Fault) About(c Credential) *Fault {
	f.Credential = c.Name
	f.Registry, f.Account = cmp.Or(f.Registry, c.Registry), cmp.Or(f.Account, c.Username)
	f.Access = cmp.Or(f.Access, c.Access)
	return f
}

// About calls Fault.About on the fault in err's chain, if there is one.
func About(err error, c Credential) error {
	if f, ok := errors.AsType[*Fault](err); ok {
		_ = f.About(c) // changes f in place
	}
	return err
}

// Untouched reports whether err guarantees that the requested change did not happen.
func Untouched(err error) bool {
	f, ok := errors.AsType[*Fault](err)
	return ok && f.Untouched
}

// ReasonOf returns the reason of the fault in err's chain, or "".
func ReasonOf(err error) Reason {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Reason
	}
	return ""
}

// Unsigned is the error of a cloud request that was not sent because there were no
// credentials to sign it.
type Unsigned struct{ Err error }

// Error returns the cause's text.
func (u *Unsigned) Error() string { return u.Err.Error() }

// Unwrap returns the cause.
func (u *Unsigned) Unwrap() error { return u.Err }

// RetryableError tells AWS's SDK not to retry.
func (*Unsigned) RetryableError() bool { return false }
