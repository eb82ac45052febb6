package sandbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
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

// signer makes and reads JSON Web Tokens (RFC 7519) with a key of its own.
type signer struct {
	key    *ecdsa.PrivateKey
	random io.Reader
	issued func(credential.Secret) // told of every token; may be nil
}

func newSigner(random io.Reader) (*signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return &signer{key: key, random: random}, nil
}

func (s *signer) sign(claims any) (credential.Secret, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return credential.Secret{}, err
	}
	text := encodePart([]byte(`{"alg":"ES256","typ":"JWT","kid":"`+signingKey+`"}`)) + "." + encodePart(payload)
	digest := sha256.Sum256([]byte(text))
	r, v, err := ecdsa.Sign(s.random, s.key, digest[:])
	if err != nil {
		return credential.Secret{}, err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	token := credential.NewSecret(text + "." + encodePart(signature))
	if s.issued != nil {
		s.issued(token)
	}
	return token, nil
}

// signingKey is what tokens call the key that signed them.
const signingKey = "sandbox"

// keySet is the public half as a JSON Web Key Set (RFC 7517).
func (s *signer) keySet() ([]byte, error) {
	point, err := s.key.PublicKey.Bytes() // 0x04, then x and y of 32 bytes each
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "x": encodePart(point[1:33]), "y": encodePart(point[33:]), "kid": signingKey, "alg": "ES256", "use": "sig",
	}}})
}

// read checks a token's signature and times, and decodes its claims.
func (s *signer) read(token credential.Secret, now time.Time, into any) bool {
	text := token.Reveal()
	cut := strings.LastIndex(text, ".")
	if cut < 0 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(text[cut+1:])
	if err != nil || len(signature) != 64 {
		return false
	}
	digest := sha256.Sum256([]byte(text[:cut]))
	r, v := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(&s.key.PublicKey, digest[:], r, v) {
		return false
	}
	_, payload, _ := strings.Cut(text[:cut], ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	var times struct {
		NotBefore int64 `json:"nbf"`
		Expires   int64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(raw, &times) != nil || now.Unix() < times.NotBefore || now.Unix() >= times.Expires {
		return false
	}
	return json.Unmarshal(raw, into) == nil
}

func encodePart(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }
