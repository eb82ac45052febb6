// Package bearer signs and checks the stand-ins' bearer tokens.
package bearer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"purser/internal/credential"
)

// Signer makes and reads JSON Web Tokens (RFC 7519), signed with a key pair or with a secret key.
type Signer struct {
	key    *ecdsa.PrivateKey // nil: use shared
	shared []byte
	random io.Reader
	Issued func(credential.Secret) // receives every token; may be nil
	Leeway time.Duration           // for clocks that differ (RFC 7519 section 4.1.4)
}

// New makes a signer for ES256. KeySet has its public key.
func New(random io.Reader) (*Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return &Signer{key: key, random: random}, nil
}

// NewShared makes a signer for HS256: the docker CLI, which parses its session token, does not
// accept ES256 there.
func NewShared(random io.Reader) (*Signer, error) {
	s := &Signer{shared: make([]byte, sha256.Size)}
	if _, err := io.ReadFull(random, s.shared); err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return s, nil
}

// Sign marshals claims into a signed token.
func (s *Signer) Sign(claims any) (credential.Secret, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return credential.Secret{}, err
	}
	algorithm := "ES256"
	if s.key == nil {
		algorithm = "HS256"
	}
	text := encodePart([]byte(`{"alg":"`+algorithm+`","typ":"JWT","kid":"`+signingKey+`"}`)) + "." + encodePart(payload)
	signature, err := s.signature(text)
	if err != nil {
		return credential.Secret{}, err
	}
	token := credential.NewSecret(text + "." + encodePart(signature))
	if s.Issued != nil {
		s.Issued(token)
	}
	return token, nil
}

func (s *Signer) signature(text string) ([]byte, error) {
	if s.key == nil {
		mac := hmac.New(sha256.New, s.shared)
		_, _ = io.WriteString(mac, text) // never fails
		return mac.Sum(nil), nil
	}
	digest := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(s.random, s.key, digest[:])
	if err != nil {
		return nil, err
	}
	signature := make([]byte, signatureSize)
	r.FillBytes(signature[:signatureSize/2])
	v.FillBytes(signature[signatureSize/2:])
	return signature, nil
}

// signatureSize is the length of an ES256 signature (RFC 7518 section 3.4).
const signatureSize = 64

func (s *Signer) signed(text string, signature []byte) bool {
	if s.key == nil {
		want, _ := s.signature(text) // never fails with a shared key
		return hmac.Equal(want, signature)
	}
	if len(signature) != signatureSize {
		return false
	}
	digest := sha256.Sum256([]byte(text))
	r, v := new(big.Int).SetBytes(signature[:signatureSize/2]), new(big.Int).SetBytes(signature[signatureSize/2:])
	return ecdsa.Verify(&s.key.PublicKey, digest[:], r, v)
}

// signingKey is the key id (kid) in tokens.
const signingKey = "sandbox"

// KeySet returns the public key as a JSON Web Key Set (RFC 7517).
func (s *Signer) KeySet() ([]byte, error) {
	point, err := s.key.PublicKey.Bytes() // 0x04, then x and y of 32 bytes each
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "x": encodePart(point[1:33]), "y": encodePart(point[33:]), "kid": signingKey, "alg": "ES256", "use": "sig",
	}}})
}

// Read checks a token's signature and times, and decodes its claims.
func (s *Signer) Read(token credential.Secret, now time.Time, into any) bool {
	text := token.Reveal()
	cut := strings.LastIndex(text, ".")
	if cut < 0 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(text[cut+1:])
	if err != nil || !s.signed(text[:cut], signature) {
		return false
	}
	_, payload, _ := strings.Cut(text[:cut], ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	var times struct {
		NotBefore int64 `json:"nbf"`
		Expires   int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(raw, &times) != nil || now.Add(s.Leeway).Unix() < times.NotBefore || now.Add(-s.Leeway).Unix() >= times.Expires {
		return false
	}
	return json.Unmarshal(raw, into) == nil
}

func encodePart(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }
