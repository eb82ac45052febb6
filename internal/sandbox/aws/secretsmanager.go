// Package aws is what purser uses of AWS, as stand-ins: Secrets Manager with its replicas and
// faults, STS, CloudTrail, the sign-in of IAM Identity Center, an instance's metadata, and
// the side of Lambda that calls a function. It follows AWS's API references, and what
// moto does where these are silent.
package aws

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// SecretsManagerConfig says which account the stand-in plays.
type SecretsManagerConfig struct {
	Account   string           // twelve digits; empty: 123456789012, the account of AWS's own examples
	Region    string           // in the ARNs; empty: eu-west-2
	CallerARN string           // what GetCallerIdentity answers; empty: the session purser of the role sandbox
	Now       func() time.Time // dates and the age of signatures; nil: time.Now
	// Invoke has the rotation function handle an event; nil: there is none, and a
	// rotation stays where it begins.
	Invoke func(event []byte) error
}

// SecretsManager is an http.Handler that speaks Secrets Manager's AWS JSON 1.1
// and, on the same address, STS, as one AWS_ENDPOINT_URL
// serves both. It keeps everything in memory and may be used concurrently.
//
// It is as strict as the service about names, ARNs, versions, staging labels,
// idempotency and secrets that wait for deletion, and answers with the
// service's codes and, where they are on record, its texts. It asks for a
// Signature Version 4 header made for the right service at about the right
// time, and does not verify the signature itself: it knows no keys. There is no
// IAM, and no KMS that encrypts; Fault plays their refusals. What purser needs
// besides of EventBridge, CloudTrail and KMS is in services.go.
type SecretsManager struct {
	cfg      SecretsManagerConfig
	requests atomic.Uint64 // numbers the answers

	mu      sync.RWMutex         // guards secrets, what is in them, and copies
	secrets map[string]*smSecret // by ARN without the suffix, those waiting for deletion included
	copies  map[string]*smSecret // the secrets that are copied to other regions, by the copies' ARNs

	events    events
	trail     trail
	keys      keys
	callers   callers
	rotations sync.WaitGroup // those that are being done

	script sync.Mutex // guards what follows
	calls  []string   // the latest operations, oldest first
	faults []Fault    // in the order in which they were asked for
}

// NewSecretsManager makes a stand-in that holds no secret yet.
func NewSecretsManager(cfg SecretsManagerConfig) *SecretsManager {
	if cfg.Account == "" {
		cfg.Account = "123456789012"
	}
	if cfg.Region == "" {
		cfg.Region = "eu-west-2"
	}
	if cfg.CallerARN == "" {
		cfg.CallerARN = "arn:aws:sts::" + cfg.Account + ":assumed-role/sandbox/purser"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &SecretsManager{cfg: cfg, secrets: map[string]*smSecret{}, copies: map[string]*smSecret{}}
}

// Give moves a secret into another account, whose owner lets this one use it, and returns
// its ARN there.
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

// recordRead puts reads of secrets into CloudTrail's history, refused ones too.
func (s *SecretsManager) recordRead(r *http.Request, call awsCall, err error) {
	if call.operation != "GetSecretValue" && call.operation != "BatchGetSecretValue" {
		return
	}
	in, bad := smDecode[struct {
		SecretId, VersionStage string
		SecretIdList           []string
	}](call.body)
	if bad != nil {
		return
	}
	e := TrailEvent{
		Name: call.operation, At: s.cfg.Now(), Caller: s.caller(call.key), Source: "127.0.0.1", Agent: r.UserAgent(),
		SecretID: in.SecretId, SecretIDs: in.SecretIdList, Stage: in.VersionStage,
	}
	if err != nil {
		e.ErrorCode = asAWSError(err).code
	}
	s.Record(e)
}

// maxAWSRequest is more than the largest PutSecretValue: 64 KiB, each byte
// escaped as \u0000, and its other members.
const maxAWSRequest = 1 << 20

// ServeHTTP answers one call of either service.
func (s *SecretsManager) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call, err := s.readCall(w, r)
	fault, faulty := s.note(call.operation)
	if faulty && fault.Stale && err == nil {
		out, err := fault.past.perform(call)
		s.recordRead(r, call, err)
		s.answer(w, call, out, err)
		return
	}
	if faulty && !fault.After && s.misbehave(w, r, call, fault) {
		return
	}
	var out any
	if err == nil {
		out, err = s.perform(call)
		s.recordRead(r, call, err)
	}
	if faulty && fault.After && s.misbehave(w, r, call, fault) {
		return
	}
	s.answer(w, call, out, err)
}

// awsCall is a request that was read and not yet acted on.
type awsCall struct {
	operation string // "PutSecretValue"; empty where the request names none
	query     bool   // STS's query protocol instead of AWS JSON
	service   awsService
	key       string // the access key that it was signed with
	region    string // and for which region
	body      []byte
}

// smRegion is the stand-in as a region of AWS has it: secrets of other regions are others.
type smRegion struct {
	*SecretsManager
	name   string
	writes bool // the operation changes secrets: copies are not for it
}

// in is a region; "": the stand-in's own.
func (s *SecretsManager) in(region string) smRegion {
	return smRegion{SecretsManager: s, name: cmp.Or(region, s.cfg.Region)}
}

func (s *SecretsManager) readCall(w http.ResponseWriter, r *http.Request) (awsCall, error) {
	var call awsCall
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAWSRequest))
	if err != nil {
		return call, smError("SerializationException", "the request's body cannot be read")
	}
	call.body = body
	call.key, call.region = signedBy(r)
	target := r.Header.Get("X-Amz-Target")
	if target == "" && strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		call.query, call.operation = true, stsAction(body)
		return call, s.checkSignature(r, stsSigning)
	}
	service, operation, known := findService(r)
	if !known {
		return call, smError("UnknownOperationException",
			"the stand-in answers POST with an X-Amz-Target of secretsmanager, events, cloudtrail or kms, and STS GetCallerIdentity and AssumeRole")
	}
	call.operation, call.service = operation, service
	return call, s.checkSignature(r, service.signing)
}

func (s *SecretsManager) perform(call awsCall) (any, error) {
	if call.query {
		return s.stsPerform(call)
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

// smOperation decodes a request, does it under the lock that it needs, and
// returns what is to be encoded. An answer shares no memory that changes later.
type smOperation func(smRegion, []byte) (any, error)

// smOperations are the service's operations by name.
var smOperations = map[string]smOperation{
	"BatchGetSecretValue":          smReads(smRegion.batchGetSecretValue),
	"CancelRotateSecret":           smWrites(smRegion.cancelRotateSecret),
	"CreateSecret":                 smWrites(smRegion.createSecret),
	"DeleteResourcePolicy":         smWrites(smRegion.deleteResourcePolicy),
	"DeleteSecret":                 smWrites(smRegion.deleteSecret),
	"DescribeSecret":               smLooks(smRegion.describeSecret), // looking brings copies nearer
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

// smLooks is for reading that changes something all the same.
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

// smDecode passes over members that it does not know, as the service does. Its
// error quotes nothing: what cannot be decoded may be a value.
func smDecode[In any](body []byte) (in In, err error) {
	if len(body) == 0 {
		return in, nil
	}
	if json.Unmarshal(body, &in) != nil {
		return in, smError("SerializationException", "the request's body is not the JSON of this operation")
	}
	return in, nil
}

// awsError is a failure in the service's own words.
type awsError struct {
	code, message string
	status        int
}

func (e *awsError) Error() string { return e.code + ": " + e.message }

// smError is an error of Secrets Manager. All of them have the status 400, also
// the one for a secret that does not exist.
func smError(code, format string, a ...any) error {
	return &awsError{code: code, message: fmt.Sprintf(format, a...), status: http.StatusBadRequest}
}

// answer writes a result or an error in the protocol of the call.
func (s *SecretsManager) answer(w http.ResponseWriter, call awsCall, out any, err error) {
	if call.query {
		s.stsAnswer(w, out, err)
		return
	}
	status := http.StatusOK
	if err != nil {
		failure := asAWSError(err)
		status = failure.status
		w.Header().Set("X-Amzn-ErrorType", failure.code)
		// The service spells the member both ways; its modelled errors have "Message".
		out = map[string]string{"__type": failure.code, "Message": failure.message}
	}
	raw, err := json.Marshal(out)
	if err != nil {
		raw, status = []byte(`{"__type":"InternalServiceError","Message":"the stand-in cannot encode its answer"}`), http.StatusInternalServerError
	}
	s.send(w, status, "application/x-amz-json-1.1", raw)
}

// send adds what every answer of AWS has. The date is the stand-in's own, so
// that the SDK's correction of a wrong clock can be rehearsed.
func (s *SecretsManager) send(w http.ResponseWriter, status int, contentType string, raw []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Date", s.cfg.Now().UTC().Format(http.TimeFormat))
	h.Set("X-Amzn-RequestId", s.requestID())
	w.WriteHeader(status)
	_, _ = w.Write(raw) // nobody is left to tell when the client has gone
}

func (s *SecretsManager) requestID() string {
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", s.requests.Add(1))
}
