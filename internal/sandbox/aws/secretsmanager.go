// Package aws is a stand-in for AWS: Secrets Manager with replicas and faults, STS, CloudTrail,
// IAM Identity Center's sign-in, EC2 instance metadata, Lambda's runtime API, and what an audit reads
// of IAM, KMS, Organizations and EC2. It follows AWS's API references, and moto where these are
// silent.
package aws

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// SecretsManagerConfig describes the account.
type SecretsManagerConfig struct {
	Account   string           // twelve digits; empty: 123456789012, as in AWS's examples
	Region    string           // in the ARNs; empty: eu-west-2
	CallerARN string           // the answer of GetCallerIdentity; empty: session purser of role sandbox
	Now       func() time.Time // for dates and the age of signatures; nil: time.Now
	// Invoke runs the rotation function on an event; nil: there is no function, and a rotation
	// stays at its start.
	Invoke func(event []byte) error
	// PageSize caps the pages of IAM, KMS, Organizations and EC2; 0: the services' own sizes.
	PageSize int
}

// SecretsManager is an http.Handler that speaks Secrets Manager's AWS JSON 1.1 and, on the same
// address, STS, so that one AWS_ENDPOINT_URL serves both. It is safe for concurrent use.
//
// It is as strict as the service about names, ARNs, versions, staging labels, idempotency and
// pending deletions. It answers with the service's codes and, where they are on record, its
// messages. A request needs a Signature Version 4 header for the right service and time, but the
// signature is not verified: there are no keys. There is no IAM and no KMS encryption; use Fault
// for their refusals. services.go has EventBridge, CloudTrail and KMS signing; iam.go, kms.go,
// organizations.go and ec2.go answer what tests and people put into them, and refuse nobody.
type SecretsManager struct {
	cfg      SecretsManagerConfig
	requests atomic.Uint64 // counts answers, for request ids

	mu      sync.RWMutex         // guards secrets, their content, and copies
	secrets map[string]*smSecret // by ARN without suffix, pending deletions included
	copies  map[string]*smSecret // replicated secrets by each replica's ARN

	events    events
	trail     trail
	keys      keys
	kms       auditedKeys
	iam       identities
	org       organization
	ec2       instances
	callers   callers
	rotations sync.WaitGroup // running rotations

	script sync.Mutex // guards what follows
	calls  []string   // latest operations, oldest first
	faults []Fault    // in the order of Fault calls
}

// NewSecretsManager makes an empty stand-in.
func NewSecretsManager(cfg SecretsManagerConfig) *SecretsManager {
	cfg.Account, cfg.Region = cmp.Or(cfg.Account, "123456789012"), cmp.Or(cfg.Region, "eu-west-2")
	cfg.CallerARN = cmp.Or(cfg.CallerARN, "arn:aws:sts::"+cfg.Account+":assumed-role/sandbox/purser")
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &SecretsManager{cfg: cfg, secrets: map[string]*smSecret{}, copies: map[string]*smSecret{}}
}

// Give moves a secret to another account that shares it with this one, and returns its new ARN.
func (s *SecretsManager) Give(name, account string) (arn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, c := range s.secrets {
		if c.name == name {
			delete(s.secrets, key)
			c.arn = strings.Replace(c.arn, ":"+s.cfg.Account+":", ":"+account+":", 1)
			s.secrets[c.key()], arn = c, c.arn
		}
	}
	return arn
}

// record adds reads and changes, successful or not, to CloudTrail's history.
func (s *SecretsManager) record(r *http.Request, call awsCall, err error) {
	if call.service.target != "secretsmanager." || strings.HasPrefix(call.operation, "List") || strings.HasPrefix(call.operation, "Describe") || call.operation == "GetRandomPassword" {
		return // nobody looks for them
	}
	in, bad := smDecode[struct {
		SecretId, Name, VersionId, VersionStage string
		SecretIdList                            []string
	}](call.body)
	if bad != nil {
		return
	}
	e := TrailEvent{
		Name: call.operation, At: s.cfg.Now(), Region: cmp.Or(call.region, s.cfg.Region), Caller: s.caller(call.key), Source: "127.0.0.1", Agent: r.UserAgent(),
		SecretID: cmp.Or(in.SecretId, in.Name), SecretIDs: in.SecretIdList, Version: in.VersionId, Stage: in.VersionStage,
	}
	if err != nil {
		e.ErrorCode = asAWSError(err).code
	}
	s.Record(e)
}

// maxAWSRequest, in bytes, holds the largest PutSecretValue: 64 KiB with each byte escaped as
// \u0000, and the other members.
const maxAWSRequest = 1 << 20

// ServeHTTP serves one call.
func (s *SecretsManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, err := s.readCall(w, r)
	fault, faulty := s.note(call.operation)
	if faulty && fault.Stale && err == nil {
		out, err := fault.past.perform(call)
		s.record(r, call, err)
		s.answer(w, call, out, err)
		return
	}
	if faulty && !fault.After && s.misbehave(w, r, call, fault) {
		return
	}
	var out any
	if err == nil {
		out, err = s.perform(call)
		s.record(r, call, err)
	}
	if faulty && fault.After && s.misbehave(w, r, call, fault) {
		return
	}
	s.answer(w, call, out, err)
}

// awsCall is a parsed request.
type awsCall struct {
	operation string        // "PutSecretValue"; empty if the request names none
	query     *queryService // of a call in the query protocol; nil: AWS JSON
	form      url.Values    // of such a call
	service   awsService
	key       string // access key in the signature
	region    string // region in the signature
	body      []byte
}

// smRegion is the stand-in as seen in one region.
type smRegion struct {
	*SecretsManager
	name   string
	writes bool // the operation writes, so replicas refuse it
}

// in returns a region; "": the stand-in's own.
func (s *SecretsManager) in(region string) smRegion {
	return smRegion{SecretsManager: s, name: cmp.Or(region, s.cfg.Region)}
}

func (s *SecretsManager) readCall(w http.ResponseWriter, r *http.Request) (awsCall, error) {
	var call awsCall
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAWSRequest))
	if err != nil {
		return call, smError("SerializationException", "cannot read the request body")
	}
	call.body = body
	call.key, call.region = signedBy(r)
	target := r.Header.Get("X-Amz-Target")
	if target == "" && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		call.query, call.form = queryOf(body)
		call.operation = call.form.Get("Action")
		return call, s.checkSignature(r, call.query.signing)
	}
	service, operation, known := findService(r)
	if !known {
		return call, smError("UnknownOperationException",
			"the stand-in supports POST with an X-Amz-Target of secretsmanager, events, cloudtrail, kms or organizations, and the query protocol of STS, IAM and EC2")
	}
	call.operation, call.service = operation, service
	return call, s.checkSignature(r, service.signing)
}

func (s *SecretsManager) perform(call awsCall) (any, error) {
	if call.query != nil {
		return call.query.perform(s.in(call.region), call, call.form)
	}
	return call.service.perform(s.in(call.region), call.operation, call.body)
}

func (s smRegion) performSecrets(operation string, body []byte) (any, error) {
	op, known := smOperations[operation]
	if !known {
		return nil, smError("UnknownOperationException", "the stand-in has no operation %s", operation)
	}
	return op(s, body)
}

// smOperation decodes a request, runs it under the lock that it needs, and returns the answer. An
// answer shares no memory that changes later.
type smOperation func(smRegion, []byte) (any, error)

var smOperations = map[string]smOperation{
	"BatchGetSecretValue":          smReads(smRegion.batchGetSecretValue),
	"CancelRotateSecret":           smWrites(smRegion.cancelRotateSecret),
	"CreateSecret":                 smWrites(smRegion.createSecret),
	"DeleteResourcePolicy":         smWrites(smRegion.deleteResourcePolicy),
	"DeleteSecret":                 smWrites(smRegion.deleteSecret),
	"DescribeSecret":               smLooks(smRegion.describeSecret), // each look advances lagging replicas
	"GetRandomPassword":            smReads(smRegion.getRandomPassword),
	"GetResourcePolicy":            smReads(smRegion.getResourcePolicy),
	"GetSecretValue":               smReads(smRegion.getSecretValue),
	"ListSecretVersionIds":         smReads(smRegion.listSecretVersionIDs),
	"ListSecrets":                  smReads(smRegion.listSecrets),
	"PutResourcePolicy":            smWrites(smRegion.putResourcePolicy),
	"PutSecretValue":               smWrites(smRegion.putSecretValue),
	"RemoveRegionsFromReplication": smWrites(smRegion.removeReplicas),
	"ReplicateSecretToRegions":     smWrites(smRegion.replicate),
	"RestoreSecret":                smWrites(smRegion.restoreSecret),
	"RotateSecret":                 smWrites(smRegion.rotateSecret),
	"StopReplicationToReplica":     smWrites(smRegion.stopReplication),
	"TagResource":                  smWrites(smRegion.tagResource),
	"UntagResource":                smWrites(smRegion.untagResource),
	"UpdateSecret":                 smWrites(smRegion.updateSecret),
	"UpdateSecretVersionStage":     smWrites(smRegion.updateSecretVersionStage),
	"ValidateResourcePolicy":       smReads(smRegion.validateResourcePolicy),
}

// Operations are the names of the service's operations.
func Operations() []string { return slices.Sorted(maps.Keys(smOperations)) }

func smReads[In, Out any](do func(smRegion, In) (Out, error)) smOperation {
	return func(s smRegion, body []byte) (any, error) {
		in, err := smDecode[In](body)
		if err != nil {
			return nil, err
		}
		s.mu.RLock()
		defer s.mu.RUnlock()
		return do(s, in)
	}
}

// smLooks is for reads that need the write lock.
func smLooks[In, Out any](do func(smRegion, In) (Out, error)) smOperation {
	return smWrites(func(s smRegion, in In) (Out, error) {
		s.writes = false
		return do(s, in)
	})
}

func smWrites[In, Out any](do func(smRegion, In) (Out, error)) smOperation {
	return func(s smRegion, body []byte) (any, error) {
		in, err := smDecode[In](body)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.writes = true
		return do(s, in)
	}
}

// smDecode ignores unknown members, as the service does. Its error quotes nothing from the body,
// which may hold a secret value.
func smDecode[In any](body []byte) (in In, err error) {
	if len(body) == 0 {
		return in, nil
	}
	if json.Unmarshal(body, &in) != nil {
		return in, smError("SerializationException", "the request body is not valid JSON for this operation")
	}
	return in, nil
}

// awsError is an error with the service's code and message.
type awsError struct {
	code, message string
	status        int
}

func (e *awsError) Error() string { return e.code + ": " + e.message }

// smError is a Secrets Manager error. All of them have status 400, even for a missing secret.
func smError(code, format string, a ...any) error {
	return &awsError{code: code, message: fmt.Sprintf(format, a...), status: http.StatusBadRequest}
}

// answer writes a result or an error in the call's protocol.
func (s *SecretsManager) answer(w http.ResponseWriter, call awsCall, out any, err error) {
	if call.query != nil {
		s.answerQuery(w, call.query, out, err)
		return
	}
	status := http.StatusOK
	if err != nil {
		failure := asAWSError(err)
		status = failure.status
		w.Header().Set("X-Amzn-ErrorType", failure.code)
		// The service uses both spellings of this member; its modelled errors have "Message".
		out = map[string]string{"__type": failure.code, "Message": failure.message}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		raw, status = []byte(`{"__type":"InternalServiceError","Message":"the stand-in cannot encode its answer"}`), http.StatusInternalServerError
	}
	s.send(w, status, "application/x-amz-json-1.1", raw)
}

// send adds the headers of every AWS answer. The date is the stand-in's clock, so that tests can
// exercise the SDK's clock correction.
func (s *SecretsManager) send(w http.ResponseWriter, status int, contentType string, raw []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Date", s.cfg.Now().UTC().Format(http.TimeFormat))
	h.Set("X-Amzn-RequestId", s.requestID())
	w.WriteHeader(status)
	_, _ = w.Write(raw) // the client may have gone away
}

func (s *SecretsManager) requestID() string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", s.requests.Add(1))
}
