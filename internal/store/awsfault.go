package store

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"purser/internal/credential"
)

// identity asks once who is calling.
type identity struct {
	caller Caller

	mu           sync.Mutex // guards what follows
	arn, account string
}

func (i *identity) ask(ctx context.Context) (arn, account string, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.arn == "" {
		i.arn, i.account, err = i.caller(ctx)
	}
	return i.arn, i.account, err
}

// accountKnown is the account when it has been asked for, else a placeholder.
func (i *identity) accountKnown() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.account == "" {
		return "ACCOUNT"
	}
	return i.account
}

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// reasonsByCode are the answers of AWS that have one meaning. Secrets Manager's
// own are modelled exceptions; the rest are common to AWS services.
var reasonsByCode = map[string]credential.Reason{
	"AccessDeniedException": credential.AccessDenied, "AccessDenied": credential.AccessDenied,
	"ForbiddenException": credential.AccessDenied, // IAM Identity Center: the role is not assigned

	"DecryptionFailure": credential.KeyDenied, "EncryptionFailure": credential.KeyDenied,

	"ExpiredToken": credential.NotSignedIn, "ExpiredTokenException": credential.NotSignedIn,
	"UnrecognizedClientException": credential.NotSignedIn, "InvalidClientTokenId": credential.NotSignedIn,
	"MissingAuthenticationToken": credential.NotSignedIn, "MissingAuthenticationTokenException": credential.NotSignedIn,
	"UnauthorizedException": credential.NotSignedIn, "InvalidGrantException": credential.NotSignedIn,
	"SignatureDoesNotMatch": credential.NotSignedIn, "InvalidSignatureException": credential.NotSignedIn,

	"RequestTimeTooSkewed": credential.ClockSkew, "RequestExpired": credential.ClockSkew,

	"ResourceNotFoundException": credential.SecretMissing,

	"ThrottlingException": credential.StoreUnreachable, "Throttling": credential.StoreUnreachable,
	"TooManyRequestsException": credential.StoreUnreachable, "InternalServiceError": credential.StoreUnreachable,
	"InternalFailure": credential.StoreUnreachable, "ServiceUnavailable": credential.StoreUnreachable,
}

// fault makes an error of the AWS SDK one that says what to do. The value that
// was being sent is passed along so that no echo of it is quoted.
func (s *SecretsManager) fault(ctx context.Context, doing string, err error, sent ...credential.Secret) *credential.Fault {
	f := &credential.Fault{Reason: credential.StoreRefused, What: "AWS did not let purser " + doing, Target: s.cfg.Target, Err: err}
	f.Target.Region = s.cfg.Region
	api, answered := errors.AsType[smithy.APIError](err)
	if !answered {
		f.What = "purser could not " + doing
		return s.noAnswer(ctx, f, err)
	}
	if r, ok := reasonsByCode[api.ErrorCode()]; ok {
		f.Reason = r
	}
	message := api.ErrorMessage()
	f.Why = "AWS says: " + credential.Quote(strings.TrimSpace(api.ErrorCode()+": "+message), sent...)
	s.refine(f, message)
	return f
}

// refine tells apart what AWS puts under one code.
func (s *SecretsManager) refine(f *credential.Fault, message string) {
	has := func(text string) bool { return strings.Contains(strings.ToLower(message), text) }
	switch f.Reason {
	case credential.AccessDenied:
		if has("kms") && !has("secretsmanager:") {
			f.Reason = credential.KeyDenied
		}
	case credential.NotSignedIn:
		if has("signature expired") || has("not yet current") {
			f.Reason = credential.ClockSkew
		}
	case credential.SecretMissing:
		f.What = "there is no secret " + s.cfg.Target.Secret + " in " + s.cfg.Region
		f.Why = "looked for " + s.wantedARN() + "; Terraform has not made it yet, or it is in another region or account"
	case credential.StoreRefused:
		if has("deletion") {
			f.Reason = credential.SecretDeleted
		}
	}
}

func (s *SecretsManager) wantedARN() string {
	if strings.HasPrefix(s.cfg.Target.Secret, "arn:") {
		return s.cfg.Target.Secret
	}
	return "arn:aws:secretsmanager:" + s.cfg.Region + ":" + s.who.accountKnown() + ":secret:" + s.cfg.Target.Secret + "-??????"
}

// noAnswer is for errors before or instead of an answer of the service. The
// SDK has a type for few of the ways in which credentials can be missing; all of
// them happen while it gets them, which its text says.
func (s *SecretsManager) noAnswer(ctx context.Context, f *credential.Fault, err error) *credential.Fault {
	text := err.Error()
	_, sending := errors.AsType[*smithyhttp.RequestSendError](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		f.Reason, f.Why = credential.StoreUnreachable, "interrupted"
	case strings.Contains(text, "get credentials") || strings.Contains(text, "refresh cached credentials"):
		f.Reason, f.Why = credential.NotSignedIn, credentialsCause(text)
	case sending || errors.Is(err, context.DeadlineExceeded):
		f.Reason, f.Why = credential.StoreUnreachable, "no answer from AWS in "+s.cfg.Region+": "+innermost(err)
	default:
		f.Reason, f.Why = credential.StoreUnreachable, "the answer of AWS cannot be read"
	}
	return f
}

// credentialsCause says which kind of credentials failed, from the SDK's text.
func credentialsCause(text string) string {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(text, w) {
				return true
			}
		}
		return false
	}
	switch {
	case has("SSO", "sso"):
		return "the sign-in with IAM Identity Center is missing or has expired"
	case has("process credential", "process provider"):
		return "the profile's credential_process gave none"
	case has("web identity", "WebIdentity"):
		return "the web identity token was not accepted"
	case has("IMDS", "metadata"):
		return "no credentials are configured, and this is no EC2 instance that could give some"
	default:
		return "no AWS credentials were found"
	}
}

func innermost(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return credential.Quote(err.Error())
		}
		err = next
	}
}
