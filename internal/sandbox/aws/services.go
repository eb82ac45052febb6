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

// awsService is a service on the stand-in's address, chosen by the prefix of X-Amz-Target.
type awsService struct {
	target  string
	signing awsSigning
	perform func(s smRegion, operation string, body []byte) (any, error)
}

// awsServices lists the services that speak AWS JSON.
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
			return s.trail.perform(s.name, operation, body)
		}},
		{"TrentService.", named("kms"), smRegion.performKeys},
		{"AWSOrganizationsV20161128.", named("organizations"), smRegion.performOrganizations},
	}
}

// Event is an event on an EventBridge bus.
type Event struct {
	Bus, Source, DetailType string
	Detail                  json.RawMessage
	Resources               []string
}

// events is EventBridge's PutEvents.
type events struct {
	mu  sync.Mutex
	put []Event
}

// Events lists the events, oldest first.
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

// KeyARN is the KMS stand-in's only key, for signing.
const KeyARN = "arn:aws:kms:eu-west-2:123456789012:key/00000000-0000-4000-8000-00000000feed"

// keys is KMS's Sign and GetPublicKey for an ECDSA key.
type keys struct {
	once sync.Once
	key  *ecdsa.PrivateKey
}

// PublicKey returns the public key as DER.
func (s *SecretsManager) PublicKey() ([]byte, error) {
	s.keys.make()
	return x509.MarshalPKIXPublicKey(&s.keys.key.PublicKey)
}

func (k *keys) make() {
	k.once.Do(func() {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			panic(err) // crypto/rand never returns an error
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
			return nil, smError("ValidationException", "the stand-in only signs digests with ECDSA_SHA_256")
		}
		signature, err := ecdsa.SignASN1(rand.Reader, k.key, in.Message)
		return map[string]any{"KeyId": KeyARN, "Signature": signature, "SigningAlgorithm": in.SigningAlgorithm}, err
	}
	return nil, smError("UnknownOperationException", "the stand-in has no operation %s", operation)
}

// findService finds a request's service and operation.
func findService(r *http.Request) (service awsService, operation string, ok bool) {
	// The AWS CLI puts CloudTrail's package before the target, the SDK does not.
	target := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "com.amazonaws.cloudtrail.v20131101.")
	for _, service := range awsServices() {
		if operation, ours := strings.CutPrefix(target, service.target); ours && r.Method == http.MethodPost {
			return service, operation, true
		}
	}
	return awsService{}, "", false
}

// rotationStep is the event of a rotation function (User Guide, "Rotation function").
type rotationStep struct {
	Step               string
	SecretId           string
	ClientRequestToken string
	RotationToken      string
}

// runRotation invokes the function for each step. A failed step stops the rotation; the next
// RotateSecret resumes it with the same version, as the service does after a while.
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

// Settle waits until no rotation is running.
func (s *SecretsManager) Settle() { s.rotations.Wait() }

// Overdue sets a secret's next rotation to a time in the past.
func (s *SecretsManager) Overdue(name string, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.secrets[s.in("").key(name)]; c != nil {
		c.rotation.next = s.cfg.Now().Add(-by)
	}
}
