package aws

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"purser/internal/credential"
)

// stsNamespace is the XML namespace of STS's query protocol (API reference).
const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

type stsIdentity struct {
	XMLName   xml.Name `xml:"GetCallerIdentityResponse"`
	Namespace string   `xml:"xmlns,attr"`
	ARN       string   `xml:"GetCallerIdentityResult>Arn"`
	UserID    string   `xml:"GetCallerIdentityResult>UserId"`
	Account   string   `xml:"GetCallerIdentityResult>Account"`
	RequestID string   `xml:"ResponseMetadata>RequestId"`
}

type stsFailure struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func (s *SecretsManager) stsPerform(call awsCall) (any, error) {
	switch call.operation {
	case "GetCallerIdentity":
		caller := s.caller(call.key)
		return &stsIdentity{
			Namespace: stsNamespace, ARN: caller, UserID: stsUserID(caller), Account: strings.Split(caller, ":")[4], RequestID: s.requestID(),
		}, nil
	case "AssumeRole":
		return s.assumeRole(call.body)
	}
	return nil, smError("InvalidAction", "the stand-in has no STS action %s", call.operation)
}

// callers holds assumed roles by access key.
type callers struct {
	mu    sync.Mutex
	roles map[string]string
}

// caller returns the role that an access key assumed, or the stand-in's own identity.
func (s *SecretsManager) caller(key string) string {
	s.callers.mu.Lock()
	defer s.callers.mu.Unlock()
	return cmp.Or(s.callers.roles[key], s.cfg.CallerARN)
}

type stsRole struct {
	XMLName   xml.Name  `xml:"AssumeRoleResponse"`
	Namespace string    `xml:"xmlns,attr"`
	Key       string    `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
	Secret    string    `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
	Token     string    `xml:"AssumeRoleResult>Credentials>SessionToken"`
	Until     time.Time `xml:"AssumeRoleResult>Credentials>Expiration"`
	ARN       string    `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
	ID        string    `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
	RequestID string    `xml:"ResponseMetadata>RequestId"`
}

var stsRoleForm = credential.NewPattern(`^arn:aws:iam::([0-9]{12}):role/(?:.*/)?([A-Za-z0-9_+=,.@-]{1,64})$`)

// assumeRole issues credentials for any role of any account: there is no IAM to refuse.
func (s *SecretsManager) assumeRole(body []byte) (any, error) {
	form, err := url.ParseQuery(string(body))
	role := stsRoleForm().FindStringSubmatch(form.Get("RoleArn"))
	session := form.Get("RoleSessionName")
	if err != nil || role == nil || len(session) < 2 || len(session) > 64 {
		return nil, smError("ValidationError", "valid RoleArn and RoleSessionName are required")
	}
	life := time.Hour
	if text := form.Get("DurationSeconds"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 900 || n > 43200 {
			return nil, smError("ValidationError", "DurationSeconds must be from 900 to 43200")
		}
		life = time.Duration(n) * time.Second
	}
	arn := "arn:aws:sts::" + role[1] + ":assumed-role/" + role[2] + "/" + session
	s.callers.mu.Lock()
	defer s.callers.mu.Unlock()
	if s.callers.roles == nil {
		s.callers.roles = map[string]string{}
	}
	key := fmt.Sprintf("ASIASANDBOX%09d", len(s.callers.roles)+1)
	s.callers.roles[key] = arn
	return &stsRole{
		Namespace: stsNamespace, Key: key, Secret: "FAKE-secret-access-key", Token: "FAKE-session-token", Until: s.cfg.Now().Add(life).UTC().Truncate(time.Second),
		ARN: arn, ID: stsUserID(arn), RequestID: s.requestID(),
	}, nil
}

// stsUserID makes an ID in STS's form: AROA… and the session name for a role, AIDA… for a user.
func stsUserID(arn string) string {
	sum := sha256.Sum256([]byte(arn))
	id := strings.ToUpper(hex.EncodeToString(sum[:]))[:17]
	if strings.Contains(arn, ":assumed-role/") {
		return "AROA" + id + ":" + arn[strings.LastIndex(arn, "/")+1:]
	}
	return "AIDA" + id
}

func asAWSError(err error) *awsError {
	if failure, ok := errors.AsType[*awsError](err); ok {
		return failure
	}
	return &awsError{code: "InternalServiceError", message: "the stand-in has a bug", status: http.StatusInternalServerError}
}

// awsSigning is how a service checks signatures.
type awsSigning struct {
	service                      string
	missing, incomplete, invalid awsError // the message is set where it never varies
	leeway                       time.Duration
}

// Secrets Manager allows five minutes and calls every error invalid. STS allows fifteen and answers
// 403 with SignatureDoesNotMatch.
var (
	smSigning = awsSigning{
		service: "secretsmanager", leeway: 5 * time.Minute,
		missing:    awsError{"MissingAuthenticationTokenException", "Missing Authentication Token", http.StatusBadRequest},
		incomplete: awsError{"IncompleteSignatureException", "", http.StatusBadRequest},
		invalid:    awsError{"InvalidSignatureException", "", http.StatusBadRequest},
	}
	stsSigning = awsSigning{
		service: "sts", leeway: 15 * time.Minute,
		missing:    awsError{"MissingAuthenticationToken", "Request is missing Authentication Token", http.StatusForbidden},
		incomplete: awsError{"IncompleteSignature", "", http.StatusBadRequest},
		invalid:    awsError{"SignatureDoesNotMatch", "", http.StatusForbidden},
	}
)

func (e awsError) saying(message string) error {
	e.message = message
	return &e
}

// signedBy returns the access key and region of a request's credential scope, or "".
func signedBy(r *http.Request) (key, region string) {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	if parts := strings.SplitN(scope, "/", 4); len(parts) == 4 {
		return parts[0], parts[2]
	}
	return "", ""
}

// checkSignature checks what a misconfigured client gets wrong in a Signature Version 4 header:
// presence, service and date. It does not verify the signature, and accepts any access key.
func (s *SecretsManager) checkSignature(r *http.Request, rules awsSigning) error {
	header := r.Header.Get("Authorization")
	if header == "" {
		return &rules.missing
	}
	fields, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256 ")
	if !ok {
		return rules.incomplete.saying("Authorization header requires the algorithm AWS4-HMAC-SHA256.")
	}
	parameter := map[string]string{}
	for field := range strings.SplitSeq(fields, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		parameter[key] = value
	}
	for _, key := range []string{"Credential", "Signature", "SignedHeaders"} {
		if parameter[key] == "" {
			return rules.incomplete.saying("Authorization header requires '" + key + "' parameter.")
		}
	}
	// The scope is access key, date, region, service, "aws4_request".
	scope := strings.Split(parameter["Credential"], "/")
	if len(scope) != 5 || scope[4] != "aws4_request" {
		return rules.incomplete.saying("Credential must have exactly 5 slash-delimited elements.")
	}
	if scope[3] != rules.service {
		return rules.invalid.saying("Credential should be scoped to correct service: '" + rules.service + "'.")
	}
	return s.checkSigningDate(r.Header.Get("X-Amz-Date"), rules)
}

func (s *SecretsManager) checkSigningDate(text string, rules awsSigning) error {
	const basic = "20060102T150405Z"
	signed, err := time.Parse(basic, text)
	if err != nil {
		return rules.incomplete.saying("Date must be in ISO-8601 'basic format'.")
	}
	now := s.cfg.Now().UTC()
	minutes := " " + strings.TrimSuffix(rules.leeway.String(), "m0s") + " min.)"
	if edge := now.Add(-rules.leeway); signed.Before(edge.Truncate(time.Second)) {
		return rules.invalid.saying("Signature expired: " + text + " is now earlier than " + edge.Format(basic) +
			" (" + now.Format(basic) + " -" + minutes)
	}
	if edge := now.Add(rules.leeway); signed.After(edge) {
		return rules.invalid.saying("Signature not yet current: " + text + " is still later than " + edge.Format(basic) +
			" (" + now.Format(basic) + " +" + minutes)
	}
	return nil
}
