package aws

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// KMSKey is a key of KMS as an audit sees it. It encrypts nothing.
type KMSKey struct {
	ARN, Manager, State string
	Aliases             []string // "alias/name"
	Policy              string
	Rotates             bool
	RotatesDays         int
	Deletion            float64 // seconds since 1970; 0: none
	Grants              []KMSGrant
}

// KMSGrant is a grant of a key.
type KMSGrant struct {
	GrantId           string
	Name              string `json:",omitempty"`
	GranteePrincipal  string
	RetiringPrincipal string `json:",omitempty"`
	IssuingAccount    string
	KeyId             string
	CreationDate      float64
	Operations        []string
	Constraints       *KMSConstraints `json:",omitempty"`
}

// KMSConstraints limit a grant to an encryption context.
type KMSConstraints struct {
	EncryptionContextEquals map[string]string `json:",omitempty"`
	EncryptionContextSubset map[string]string `json:",omitempty"`
}

// auditedKeys are the keys that DescribeKey and its neighbours know.
type auditedKeys struct {
	mu  sync.Mutex
	all []KMSKey
}

// SetKeys replaces the keys, apart from the one that signs.
func (s *SecretsManager) SetKeys(all ...KMSKey) {
	s.kms.mu.Lock()
	defer s.kms.mu.Unlock()
	s.kms.all = all
}

// performKeys serves KMS: signing in services.go, everything else here.
func (s smRegion) performKeys(operation string, body []byte) (any, error) {
	if operation == "Sign" || operation == "GetPublicKey" {
		return s.keys.perform(operation, body)
	}
	in, err := smDecode[struct {
		KeyId, Policy, Description   string
		AliasName, TargetKeyId, Name string
		GranteePrincipal             string
		RetiringPrincipal            string
		Operations                   []string
		Constraints                  *KMSConstraints
		Limit                        int
		Marker                       string
	}](body)
	if err != nil {
		return nil, err
	}
	s.kms.mu.Lock()
	defer s.kms.mu.Unlock()
	if operation == "CreateKey" {
		return s.createKey(in.Policy), nil
	}
	id := in.KeyId
	if operation == "CreateAlias" {
		id = in.TargetKeyId
	}
	key := find(s.kms.all, func(k KMSKey) bool { return s.means(k, id) })
	if key == nil {
		if strings.Contains(id, "alias/") {
			return nil, smError("NotFoundException", "Alias %s is not found.", s.keyARN(id))
		}
		return nil, smError("NotFoundException", "Key '%s' does not exist", s.keyARN(id))
	}
	switch operation {
	case "CreateAlias":
		key.Aliases = append(key.Aliases, in.AliasName)
		return map[string]any{}, nil
	case "CreateGrant":
		g := KMSGrant{
			GrantId: fmt.Sprintf("%064x", len(key.Grants)+1), Name: in.Name, GranteePrincipal: in.GranteePrincipal, RetiringPrincipal: in.RetiringPrincipal,
			IssuingAccount: "arn:aws:iam::" + s.cfg.Account + ":root", KeyId: key.ARN, CreationDate: float64(s.now().Unix()), Operations: in.Operations, Constraints: in.Constraints,
		}
		key.Grants = append(slices.Clone(key.Grants), g)
		return map[string]any{"GrantId": g.GrantId, "GrantToken": "FAKE-grant-token"}, nil
	case "DescribeKey":
		return map[string]any{"KeyMetadata": key.metadata()}, nil
	case "GetKeyPolicy":
		return map[string]any{"Policy": key.Policy, "PolicyName": "default"}, nil
	case "GetKeyRotationStatus":
		out := map[string]any{"KeyId": key.ARN, "KeyRotationEnabled": key.Rotates}
		if key.Rotates {
			out["RotationPeriodInDays"] = max(key.RotatesDays, 90)
		}
		return out, nil
	case "ListGrants":
		size := 50
		if in.Limit > 0 {
			size = in.Limit
		}
		part, next, err := page(key.Grants, in.Marker, size, s.cfg.PageSize)
		if err != nil {
			return nil, smError("InvalidMarkerException", "the marker is not valid")
		}
		out := map[string]any{"Grants": part, "Truncated": next != ""}
		if next != "" {
			out["NextMarker"] = next
		}
		return out, nil
	}
	return nil, smError("UnknownOperationException", "the stand-in has no operation %s", operation)
}

func (s smRegion) keyARN(id string) string {
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	if !strings.HasPrefix(id, "alias/") {
		id = "key/" + id
	}
	return "arn:aws:kms:" + s.name + ":" + s.cfg.Account + ":" + id
}

// means reports whether an id is the key's: its ARN, the end of it, or an alias by name or ARN.
func (s smRegion) means(k KMSKey, id string) bool {
	if !strings.Contains(k.ARN, ":"+s.name+":") {
		return false
	}
	return id == k.ARN || "key/"+id == k.ARN[strings.LastIndexByte(k.ARN, ':')+1:] ||
		slices.ContainsFunc(k.Aliases, func(a string) bool { return id == a || id == s.keyARN(a) })
}

func (k KMSKey) metadata() map[string]any {
	out := map[string]any{
		"KeyId": k.ARN[strings.LastIndexByte(k.ARN, '/')+1:], "Arn": k.ARN, "AWSAccountId": strings.Split(k.ARN, ":")[4], "KeyManager": k.Manager, "KeyState": k.State,
		"Enabled": k.State == "Enabled", "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS", "MultiRegion": false,
	}
	if k.Deletion != 0 {
		out["DeletionDate"] = k.Deletion
	}
	return out
}

// createKey makes a key. Without a policy it gets KMS's default one, which leaves the decision to the
// account's IAM policies.
func (s smRegion) createKey(policy string) any {
	if policy == "" {
		policy = fmt.Sprintf(`{
  "Version" : "2012-10-17",
  "Id" : "key-default-1",
  "Statement" : [ {
    "Sid" : "Enable IAM User Permissions",
    "Effect" : "Allow",
    "Principal" : {
      "AWS" : "arn:aws:iam::%s:root"
    },
    "Action" : "kms:*",
    "Resource" : "*"
  } ]
}`, s.cfg.Account)
	}
	k := KMSKey{ARN: s.keyARN(fmt.Sprintf("00000000-0000-4000-8000-%012x", len(s.kms.all)+1)), Manager: "CUSTOMER", State: "Enabled", Policy: policy}
	s.kms.all = append(s.kms.all, k)
	return map[string]any{"KeyMetadata": k.metadata()}
}
