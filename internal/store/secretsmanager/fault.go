package secretsmanager

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"purser/internal/credential"
)

func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// reasonsByCode has AWS's error codes with a single meaning. Secrets Manager's own are
// modelled exceptions; the others are common to AWS services.
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

// fault turns an error of the AWS SDK into a fault. It never quotes an echo of the sent
// value.
func (s *Secret) fault(ctx context.Context, doing string, err error, sent ...credential.Secret) *credential.Fault {
	f := s.faultOf(ctx, doing, err, sent...)
	if s.cfg.Explain != nil {
		s.cfg.Explain(ctx, f)
	}
	return f
}

func (s *Secret) faultOf(ctx context.Context, doing string, err error, sent ...credential.Secret) *credential.Fault {
	f := &credential.Fault{Reason: credential.StoreRefused, What: "AWS refused to " + doing, Target: s.cfg.Target, Err: err}
	f.Target.Region = s.cfg.Region
	api, answered := errors.AsType[smithy.APIError](err)
	if !answered || api.ErrorCode() == "UnknownError" { // the SDK's code for answers that are not AWS's
		f.What = "purser could not " + doing
		return s.noAnswer(ctx, f, doing, err)
	}
	if r, ok := reasonsByCode[api.ErrorCode()]; ok {
		f.Reason = r
	} else if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() >= http.StatusInternalServerError {
		f.Reason = credential.StoreUnreachable // the request may have taken effect
	}
	f.Untouched = f.Reason != credential.StoreUnreachable // AWS answered with a refusal
	message := api.ErrorMessage()
	f.Why = "AWS says: " + credential.Quote(strings.TrimSpace(api.ErrorCode()+": "+message), sent...)
	s.refine(ctx, f, message)
	if f.Reason == credential.NotSignedIn {
		f.What = "AWS rejected your credentials"
	}
	return f
}

// refine separates cases that share one AWS error code.
func (s *Secret) refine(ctx context.Context, f *credential.Fault, message string) {
	has := func(text string) bool { return strings.Contains(strings.ToLower(message), text) }
	switch f.Reason {
	case credential.AccessDenied:
		if has("kms") && !has("secretsmanager:") || deniesKey(message) {
			f.Reason = credential.KeyDenied
		}
		s.deny(ctx, f, message)
	case credential.NotSignedIn:
		if has("signature expired") || has("not yet current") {
			f.Reason = credential.ClockSkew
		}
	case credential.SecretMissing:
		f.What = "there is no secret " + s.cfg.Target.Name + " in " + s.cfg.Region
		f.Why = "purser looked for " + s.wantedARN(ctx) + "; Terraform has not created it yet, or it is in another region or account"
	case credential.StoreRefused:
		if has("deletion") || has("was deleted") {
			f.Reason, f.What = credential.SecretDeleted, "the secret "+s.cfg.Target.Name+" is marked for deletion"
		}
	}
}

// deniesKey reports whether a denial is about the secret's key, whatever else it names.
func deniesKey(message string) bool {
	said := deniedForm().FindStringSubmatch(message)
	return said != nil && strings.HasPrefix(said[2], "kms:")
}

// wantedARN returns the ARN that the secret would have, except for AWS's random suffix.
func (s *Secret) wantedARN(ctx context.Context) string {
	if strings.HasPrefix(s.cfg.Target.Name, "arn:") {
		return s.cfg.Target.Name
	}
	account := "ACCOUNT"
	if s.cfg.Caller != nil {
		if _, known, err := s.cfg.Caller(ctx); err == nil {
			account = known
		}
	}
	return "arn:aws:secretsmanager:" + s.cfg.Region + ":" + account + ":secret:" + s.cfg.Target.Name + "-??????"
}

// noAnswer handles errors without an answer from the service. Explain says why there are
// no credentials.
func (s *Secret) noAnswer(ctx context.Context, f *credential.Fault, doing string, err error) *credential.Fault {
	if ended := credential.Ended(ctx, "trying to "+doing); ended != nil {
		ended.Target = f.Target
		return ended
	}
	_, sending := errors.AsType[*smithyhttp.RequestSendError](err)
	_, unsigned := errors.AsType[*credential.Unsigned](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		f.Reason, f.Why = credential.StoreUnreachable, "interrupted"
	case unsigned:
		f.Reason, f.Why = credential.NotSignedIn, "purser found no AWS credentials"
	case sending || errors.Is(err, context.DeadlineExceeded):
		f.Reason, f.Host = credential.StoreUnreachable, credential.HostOf(err)
		f.Why = "no answer from " + cmp.Or(f.Host, "AWS in "+s.cfg.Region) + ": " + credential.Unanswered(err, "AWS_CA_BUNDLE")
	default:
		f.Reason, f.Why = credential.StoreUnreachable, "purser cannot read AWS's answer"
		s.page(f, err)
	}
	return f
}

// page says what answered instead of AWS: a web page or a redirect.
func (s *Secret) page(f *credential.Fault, err error) {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || answer.Response == nil || answer.Response.Response == nil {
		return
	}
	if r := answer.Response.Request; r != nil && r.URL != nil {
		f.Host = r.URL.Host
	}
	where, header := cmp.Or(f.Host, "AWS in "+s.cfg.Region), answer.Response.Header
	to, _ := url.Parse(header.Get("Location"))
	switch {
	case answer.HTTPStatusCode() >= http.StatusInternalServerError:
		f.Why = fmt.Sprintf("%s is unavailable (%d)", where, answer.HTTPStatusCode())
	case answer.HTTPStatusCode()/100 == 3 && to != nil && to.Host != "":
		f.Why = where + " redirects to " + credential.Quote(to.Host) + ": a proxy or a network's sign-in page does that"
	case strings.HasPrefix(header.Get("Content-Type"), "text/html"):
		f.Why = fmt.Sprintf("%s answered with a web page (%d): a proxy or a network's sign-in page answers in its place", where, answer.HTTPStatusCode())
	}
}
