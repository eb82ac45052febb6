package credential

import (
	"errors"
	"strings"
	"time"
)

// Reason is the kind of a failure that a person can do something about. The
// command line turns it into an exit code and into the next command to type.
type Reason string

// The reasons, grouped by who has to act.
const (
	// Usage: wrong arguments or configuration.
	Usage Reason = "usage"
	// NoConfiguration: there is no purser.yaml.
	NoConfiguration Reason = "no-configuration"
	// TokenInArguments: a secret was given where everyone can read it.
	TokenInArguments Reason = "token-in-arguments"
	// BadToken: the text cannot be a token of any registry.
	BadToken Reason = "bad-token"
	// KindNotStored: a session or, without leave, a password.
	KindNotStored Reason = "kind-not-stored"
	// NoToken: no source had one.
	NoToken Reason = "no-token"
	// SourceUnclear: it is not said where the token comes from.
	SourceUnclear Reason = "source-unclear"
	// NoTerminal: a question could not be asked.
	NoTerminal Reason = "no-terminal"
	// ConsentNeeded: a person has to decide, and no one can be asked here.
	ConsentNeeded Reason = "consent-needed"
	// Declined: the person said no.
	Declined Reason = "declined"
	// Interrupted: a signal ended the run.
	Interrupted Reason = "interrupted"
	// TimedOut: the run took longer than it was allowed to.
	TimedOut Reason = "timed-out"
	// OutputLost: what a command said could not be written.
	OutputLost Reason = "output-lost"

	// TokenRefused: the registry does not know the token or the account.
	TokenRefused Reason = "token-refused"
	// TokenExpired: the registry says that the token has run out.
	TokenExpired Reason = "token-expired"
	// NeedsToken: a password where the registry wants an access token.
	NeedsToken Reason = "needs-token"
	// LevelTooLow: the token was made with fewer rights than are needed.
	LevelTooLow Reason = "level-too-low"
	// NotPermitted: the account behind the token lacks the right.
	NotPermitted Reason = "not-permitted"
	// WrongOwner: the token is another account's.
	WrongOwner Reason = "wrong-owner"
	// BelongsElsewhere: the value is another registry's, by its mark or by its form.
	BelongsElsewhere Reason = "belongs-elsewhere"
	// RepositoryMissing: pushing would create the repository.
	RepositoryMissing Reason = "repository-missing"

	// SessionNeeded: managing tokens takes a person's sign-in, and there is none.
	SessionNeeded Reason = "session-needed"
	// SessionEnded: the sign-in has run out, or was ended.
	SessionEnded Reason = "session-ended"
	// SignInRefused: account name, password or second factor are not taken.
	SignInRefused Reason = "sign-in-refused"
	// SignInImpossible: the account signs in in another way only.
	SignInImpossible Reason = "sign-in-impossible"
	// MintRefused: the registry did not make the token.
	MintRefused Reason = "mint-refused"
	// MaybeMinted: it is not known whether the registry made the token.
	MaybeMinted Reason = "maybe-minted"
	// TokenLimit: the registry allows no more tokens.
	TokenLimit Reason = "token-limit"
	// PlanLacks: the account's plan does not have what is asked for.
	PlanLacks Reason = "plan-lacks"
	// NotDead: the registry still takes a token that was revoked.
	NotDead Reason = "not-dead"
	// NotStopped: a token that may have leaked still works, and purser cannot end it.
	NotStopped Reason = "not-stopped"
	// NoSuchToken: the registry does not list the token that was named.
	NoSuchToken Reason = "no-such-token"

	// RateLimited: the registry wants to be left alone for a while.
	RateLimited Reason = "rate-limited"
	// RegistryUnreachable: no connection, or no answer in time.
	RegistryUnreachable Reason = "registry-unreachable"
	// RegistryStrange: an answer that the protocol does not have.
	RegistryStrange Reason = "registry-strange"
	// RegistryUnsafe: going on would send the token where it does not belong.
	RegistryUnsafe Reason = "registry-unsafe"
	// ProofEmpty: the registry grants the same to nobody, so nothing is proved.
	ProofEmpty Reason = "proof-empty"

	// ProfileMissing: the AWS configuration has no such profile.
	ProfileMissing Reason = "profile-missing"
	// NotSignedIn: no AWS credentials, or expired ones.
	NotSignedIn Reason = "not-signed-in"
	// RegionMissing: no AWS region is configured.
	RegionMissing Reason = "region-missing"
	// AccessDenied: AWS knows the caller and refuses; the secret may be missing.
	AccessDenied Reason = "access-denied"
	// KeyDenied: the secret's KMS key refuses.
	KeyDenied Reason = "key-denied"
	// ClockSkew: the machine's clock is too far off for signed requests.
	ClockSkew Reason = "clock-skew"
	// SecretMissing: there is no such secret in this account and region.
	SecretMissing Reason = "secret-missing"
	// SecretDeleted: the secret is waiting to be deleted.
	SecretDeleted Reason = "secret-deleted"
	// SecretEmpty: the secret exists and holds no value in the asked stage.
	SecretEmpty Reason = "secret-empty"
	// ValueStrange: what is stored is not what the shape says.
	ValueStrange Reason = "value-strange"
	// MidRotation: somebody else's rotation is under way.
	MidRotation Reason = "mid-rotation"
	// Overtaken: other runs of purser changed the same at the same time.
	Overtaken Reason = "overtaken"
	// StoreUnreachable: the store gave no answer.
	StoreUnreachable Reason = "store-unreachable"
	// StoreRefused: the store rejected the request itself.
	StoreRefused Reason = "store-refused"
	// StoreFile: the encrypted file or its identity cannot be used.
	StoreFile Reason = "store-file"
	// KeyUnfit: the secret's key is one that its consumer cannot use.
	KeyUnfit Reason = "key-unfit"
	// DockerPlaintext: docker's config holds a password that anybody who reads the
	// file has.
	DockerPlaintext Reason = "docker-plaintext"
	// AgentRedactor: the CI agent cannot take the token out of the job's log.
	AgentRedactor Reason = "agent-redactor"
	// HelperMissing: docker is told to use a helper that is not installed.
	HelperMissing Reason = "helper-missing"
	// TerraformOverwrites: the project's Terraform writes the secret's value too.
	TerraformOverwrites Reason = "terraform-overwrites"
	// TerraformHolds: a state file of Terraform has a value of the secret.
	TerraformHolds Reason = "terraform-holds"
	// ReplicaBehind: a copy in another region does not have what was stored.
	ReplicaBehind Reason = "replica-behind"
	// RotationOverdue: a token should have been renewed and was not.
	RotationOverdue Reason = "rotation-overdue"
	// ReceiptFailed: the record of a change cannot be signed or written.
	ReceiptFailed Reason = "receipt-failed"
	// ReceiptFile: receipts may not go to the file that the configuration names.
	ReceiptFile Reason = "receipt-file"
	// ReceiptBad: a receipt is not signed by a key that is trusted, was changed, or is not
	// in its place.
	ReceiptBad Reason = "receipt-bad"
	// ReadBackDiffers: the store did not give back what it was given.
	ReadBackDiffers Reason = "read-back-differs"
)

// NotAssigned is the SignIn of a fault where the person is signed in and the
// profile's role is not assigned to them.
const NotAssigned = "not-assigned"

// Fault is a failure with what a person needs to act on it. None of its texts
// holds secret material.
type Fault struct {
	Reason Reason
	What   string // what happened, lower-case, no full stop
	Why    string // the cause, or the causes there may be; may be empty
	Err    error  // what it came from; may be nil

	// Untouched: whoever says this knows that what was asked for did not happen, nor
	// will. A store's write with it has left nothing behind.
	Untouched bool
	// Unchanged: the whole run has changed nothing.
	Unchanged bool

	// What the next command is made of; empty where it does not apply.
	Credential Name
	Registry   Host
	Account    string
	Repository Repository
	Access     Access
	Target     Target
	Change     string        // what to write instead, in lines; may be empty
	SignIn     string        // how the AWS profile comes to credentials; "" when unknown
	Wait       time.Duration // how long to leave the registry alone; 0 when unknown
}

// Error is What and Why in one line.
func (f *Fault) Error() string {
	return strings.TrimSuffix(f.What+": "+f.Why, ": ")
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// About fills in whose fault it is where that is not known yet, and returns it.
func (f *Fault) About(c Credential) *Fault {
	f.Credential = c.Name
	if f.Registry == "" {
		f.Registry = c.Registry
	}
	if f.Account == "" {
		f.Account = c.Username
	}
	if f.Access == "" {
		f.Access = c.Access
	}
	return f
}

// About fills in whose fault an error is, where it is one.
func About(err error, c Credential) error {
	if f, ok := errors.AsType[*Fault](err); ok {
		_ = f.About(c) // changes f in place
	}
	return err
}

// Untouched reports whether err knows that what was asked for did not happen.
func Untouched(err error) bool {
	f, ok := errors.AsType[*Fault](err)
	return ok && f.Untouched
}

// ReasonOf is the reason of the fault in err's chain, or "" when there is none.
func ReasonOf(err error) Reason {
	if f, ok := errors.AsType[*Fault](err); ok {
		return f.Reason
	}
	return ""
}

// Unsigned is the error of a request to a cloud that was not sent, since no credentials
// could be had to sign it.
type Unsigned struct{ Err error }

// Error is the cause's.
func (u *Unsigned) Error() string { return u.Err.Error() }

// Unwrap gives the cause.
func (u *Unsigned) Unwrap() error { return u.Err }

// RetryableError tells AWS's SDK not to try it again.
func (*Unsigned) RetryableError() bool { return false }
