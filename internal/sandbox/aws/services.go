package aws

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// awsService is one of the services that share the stand-in's address. Requests tell
// theirs by the beginning of X-Amz-Target.
type awsService struct {
	target  string
	signing awsSigning
	perform func(s smRegion, operation string, body []byte) (any, error)
}

// awsServices are those that speak AWS JSON.
func awsServices() []awsService {
	named := func(service string) awsSigning {
		rules := smSigning
		rules.service = service
		return rules
	}
	return []awsService{
		{"secretsmanager.", smSigning, smRegion.performSecrets},
		{"AWSEvents.", named("events"), func(s smRegion, operation string, body []byte) (any, error) {
			return s.events.perform(operation, body)
		}},
		{"CloudTrail_20131101.", named("cloudtrail"), func(s smRegion, operation string, body []byte) (any, error) {
			return s.trail.perform(operation, body)
		}},
		{"TrentService.", named("kms"), func(s smRegion, operation string, body []byte) (any, error) {
			return s.keys.perform(operation, body)
		}},
	}
}

// Event is what was put on a bus of EventBridge.
type Event struct {
	Bus, Source, DetailType string
	Detail                  json.RawMessage
	Resources               []string
}

// events is EventBridge, as far as events are put there (API reference of PutEvents).
type events struct {
	mu  sync.Mutex
	put []Event
}

// Events are all that were put, oldest first.
func (s *SecretsManager) Events() []Event {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	return slices.Clone(s.events.put)
}

func (e *events) perform(operation string, body []byte) (any, error) {
	if operation != "PutEvents" {
		return nil, smError("UnknownOperationException", "the stand-in has no operation %s", operation)
	}
	in, err := smDecode[struct {
		Entries []struct {
			EventBusName, Source, DetailType, Detail string
			Resources                                []string
		}
	}](body)
	if err != nil {
		return nil, err
	}
	out := struct {
		FailedEntryCount int
		Entries          []map[string]string
	}{}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range in.Entries {
		if one.Source == "" || one.DetailType == "" || !json.Valid([]byte(one.Detail)) {
			out.FailedEntryCount++
			out.Entries = append(out.Entries, map[string]string{"ErrorCode": "InvalidArgument", "ErrorMessage": "Parameter is not valid. Reason: Detail, DetailType and Source are required."})
			continue
		}
		e.put = append(e.put, Event{one.EventBusName, one.Source, one.DetailType, json.RawMessage(one.Detail), one.Resources})
		out.Entries = append(out.Entries, map[string]string{"EventId": fmt.Sprintf("00000000-0000-4000-8000-%012x", len(e.put))})
	}
	return out, nil
}

// KeyARN is the one key of the KMS stand-in, which signs.
const KeyARN = "arn:aws:kms:eu-west-2:123456789012:key/00000000-0000-4000-8000-00000000feed"

// keys is KMS, as far as something is signed there with an ECDSA key (API reference of
// Sign and GetPublicKey).
type keys struct {
	once sync.Once
	key  *ecdsa.PrivateKey
}

// PublicKey is the public half of the key, as DER.
func (s *SecretsManager) PublicKey() ([]byte, error) {
	s.keys.make()
	return x509.MarshalPKIXPublicKey(&s.keys.key.PublicKey)
}

func (k *keys) make() {
	k.once.Do(func() {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err) // crypto/rand does not fail; it crashes the program itself
		}
		k.key = key
	})
}

func (k *keys) perform(operation string, body []byte) (any, error) {
	k.make()
	in, err := smDecode[struct {
		KeyId, MessageType, SigningAlgorithm string
		Message                              []byte
	}](body)
	if err != nil {
		return nil, err
	}
	if in.KeyId != KeyARN && !strings.HasSuffix(KeyARN, "/"+in.KeyId) && in.KeyId != "alias/receipts" {
		return nil, smError("NotFoundException", "Invalid keyId %q", in.KeyId)
	}
	public, err := x509.MarshalPKIXPublicKey(&k.key.PublicKey)
	if err != nil {
		return nil, err
	}
	switch operation {
	case "GetPublicKey":
		return map[string]any{"KeyId": KeyARN, "PublicKey": public, "KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_NIST_P256", "SigningAlgorithms": []string{"ECDSA_SHA_256"}}, nil
	case "Sign":
		if in.MessageType != "DIGEST" || in.SigningAlgorithm != "ECDSA_SHA_256" || len(in.Message) != 32 {
			return nil, smError("ValidationException", "the stand-in signs digests with ECDSA_SHA_256")
		}
		signature, err := ecdsa.SignASN1(rand.Reader, k.key, in.Message)
		return map[string]any{"KeyId": KeyARN, "Signature": signature, "SigningAlgorithm": in.SigningAlgorithm}, err
	}
	return nil, smError("UnknownOperationException", "the stand-in has no operation %s", operation)
}

// findService sorts a request to its service.
func findService(r *http.Request) (service awsService, operation string, ok bool) {
	// The AWS CLI writes CloudTrail's with its package in front, the SDK without.
	target := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "com.amazonaws.cloudtrail.v20131101.")
	for _, service := range awsServices() {
		if operation, ours := strings.CutPrefix(target, service.target); ours && r.Method == http.MethodPost {
			return service, operation, true
		}
	}
	return awsService{}, "", false
}

// rotationStep is what Secrets Manager invokes a rotation function with (User Guide,
// "Rotation function").
type rotationStep struct {
	Step               string
	SecretId           string
	ClientRequestToken string
	RotationToken      string
}

// runRotation has the function do the steps. One that fails leaves the rotation where it
// is; the next call of RotateSecret goes on with the same version, as the service does
// after a while.
func (s *SecretsManager) runRotation(arn, version string) {
	for _, step := range []string{"createSecret", "setSecret", "testSecret", "finishSecret"} {
		payload, err := json.Marshal(rotationStep{step, arn, version, "FAKE-rotation-token-" + strings.Repeat("0", 36)})
		if err != nil || s.cfg.Invoke(payload) != nil {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, err := s.in(arnRegion(arn)).findLive(arn); err == nil && c.at(smCurrent) == c.version(version) {
		c.rotation.running, c.rotation.rotated = "", s.cfg.Now()
		c.schedule(s.cfg.Now())
	}
}

// Settle waits until no rotation is being done.
func (s *SecretsManager) Settle() { s.rotations.Wait() }

// Overdue makes a secret's next rotation one that should have been.
func (s *SecretsManager) Overdue(name string, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.secrets[s.in("").key(name)]; c != nil {
		c.rotation.next = s.cfg.Now().Add(-by)
	}
}
